import * as z from 'zod/mini';
import type { EmulatedKey } from './emulated-key.ts';

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
 * A whole completion, where a text does not say enough: reasoning, tool calls, several choices, a `usage` of one's
 * own. The fields that it leaves out are filled in. A client that wants a stream gets the same in chunks.
 */
export interface EmulatedCompletion {
  readonly choices: readonly EmulatedChoice[];
  readonly [field: string]: unknown;
}

/** What {@link ReplyFunction} is told. */
export interface ReplyContext {
  readonly request: ChatRequest;
  /** The key that the request was sent with, as it is now. */
  readonly key: EmulatedKey;
}

/**
 * What the model says. Each text of an iterable becomes one chunk of a stream; it is asked for the next only when
 * the reader wants it, and its `return` is called when the reader leaves.
 */
export type Reply = string | AsyncIterable<string> | EmulatedCompletion;

/** Stands in for the model. */
export type ReplyFunction = (context: ReplyContext) => Reply | Promise<Reply>;

const completion = /* @__PURE__ */ z.looseObject({
  choices: /* @__PURE__ */ z.array(
    /* @__PURE__ */ z.looseObject({ message: /* @__PURE__ */ z.looseObject({}) }),
  ),
});

/** Whether the caller's function kept to its type; plain JavaScript may not. */
export function isReply(value: unknown): value is Reply {
  return typeof value === 'string' || isIterable(value) || z.safeParse(completion, value).success;
}

export function isIterable(value: unknown): value is AsyncIterable<string> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}
