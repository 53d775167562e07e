import * as z from 'zod/mini';
import type { EmulatedKey } from '../keys/emulated-key.ts';

/** A chat request as it came in: checked where the emulator reads it, with every other field as it was sent. */
export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly EmulatedMessage[];
  readonly stream?: boolean | null | undefined;
  readonly [field: string]: unknown;
}

/** A message of a request or an answer. */
export interface EmulatedMessage {
  readonly role?: string | undefined;
  /** A text, or parts of which those with a `text` count. */
  readonly content?: string | null | readonly { readonly [field: string]: unknown }[] | undefined;
  readonly [field: string]: unknown;
}

/** One of the answers in a {@link EmulatedCompletion}. */
export interface EmulatedChoice {
  /** Default: its place in the list. */
  readonly index?: number | undefined;
  /** What the model says. In it, `role` defaults to `assistant`. */
  readonly message: EmulatedMessage;
  /** Default: `stop`. */
  readonly finish_reason?: string | null | undefined;
  readonly [field: string]: unknown;
}

/**
 * A whole completion, as it goes over the wire: several choices, a `usage` of one's own, fields that nobody knows.
 * What it leaves out is filled in. A client that wants a stream gets the same in chunks.
 */
export interface EmulatedCompletion {
  readonly choices: readonly EmulatedChoice[];
  readonly [field: string]: unknown;
}

/** A tool that the model calls. */
export interface EmulatedToolCall {
  readonly name: string;
  /** An object is written as JSON; a text goes as it is, also one that is no JSON. Default: `{}`. */
  readonly arguments?: string | Readonly<Record<string, unknown>> | undefined;
  /** Default: a unique one of vLLM's form, `chatcmpl-tool-…`. */
  readonly id?: string | undefined;
}

/** What a model says besides a text: its reasoning before, tools that it calls after. */
export interface EmulatedReply {
  /** Goes out as `reasoning_content`. */
  readonly reasoning?: string | undefined;
  readonly content?: string | undefined;
  readonly toolCalls?: readonly EmulatedToolCall[] | undefined;
  /** Default: `tool_calls` where there are some, else `stop`. */
  readonly finishReason?: string | undefined;
}

/** What {@link ReplyFunction} is told. */
export interface ReplyContext {
  readonly request: ChatRequest;
  /** The key that the request was sent with, as it is now. */
  readonly key: EmulatedKey;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/**
 * What the model says. Each text of an iterable becomes one chunk of a stream; it is asked for the next only when
 * the reader wants it, and its `return` is called when the reader leaves.
 */
export type Reply = string | AsyncIterable<string> | EmulatedReply | EmulatedCompletion;

/** Stands in for the model. */
export type ReplyFunction = (context: ReplyContext) => Reply | Promise<Reply>;

const completion = /* @__PURE__ */ z.looseObject({
  choices: /* @__PURE__ */ z.array(
    /* @__PURE__ */ z.looseObject({ message: /* @__PURE__ */ z.looseObject({}) }),
  ),
});

const text = /* @__PURE__ */ z.optional(/* @__PURE__ */ z.string());

const toolCall = /* @__PURE__ */ z.strictObject({
  name: /* @__PURE__ */ z.string(),
  arguments: /* @__PURE__ */ z.optional(
    /* @__PURE__ */ z.union([
      /* @__PURE__ */ z.string(),
      /* @__PURE__ */ z.record(/* @__PURE__ */ z.string(), /* @__PURE__ */ z.unknown()),
    ]),
  ),
  id: text,
});

// Strict: a misspelt field of a helper would be an answer that says nothing.
const answer = /* @__PURE__ */ z
  .strictObject({
    reasoning: text,
    content: text,
    toolCalls: /* @__PURE__ */ z.optional(/* @__PURE__ */ z.array(toolCall)),
    finishReason: text,
  })
  .check(
    /* @__PURE__ */ z.refine(
      ({ reasoning, content, toolCalls }) =>
        reasoning !== undefined || content !== undefined || toolCalls !== undefined,
    ),
  );

/** Whether the caller kept to the type; plain JavaScript may not. */
export function isReply(value: unknown): value is Reply {
  return (
    typeof value === 'string' ||
    isIterable(value) ||
    z.safeParse(completion, value).success ||
    z.safeParse(answer, value).success
  );
}

export function isIterable(value: unknown): value is AsyncIterable<string> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}
