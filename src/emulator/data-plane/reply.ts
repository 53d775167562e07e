import type { PlatformAbortSignal } from '../../internal/platform.ts';
import { isObject } from '../http.ts';
import type { EmulatedKey } from '../keys.ts';
import { delta as deltaSchema, reply as replySchema } from '../scenario.ts';

/** A chat request. The fields that the emulator reads are validated; all others are as they were sent. */
export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly EmulatedMessage[];
  readonly stream?: boolean | null | undefined;
  readonly [field: string]: unknown;
}

/** A message of a request or a completion. */
export interface EmulatedMessage {
  readonly role?: string | undefined;
  /** A string, or parts of which those with a `text` are read. */
  readonly content?: string | null | readonly { readonly [field: string]: unknown }[] | undefined;
  readonly [field: string]: unknown;
}

/** A choice of an {@link EmulatedCompletion}. */
export interface EmulatedChoice {
  /** Default: its position. */
  readonly index?: number | undefined;
  /** The model's message. `role` defaults to `assistant`. */
  readonly message: EmulatedMessage;
  /** Default: `stop`. */
  readonly finish_reason?: string | null | undefined;
  readonly [field: string]: unknown;
}

/**
 * A whole completion as it is on the wire: several choices, a custom `usage`, unknown fields. It is sent as it is,
 * without regard to the request; missing fields are filled in. A stream carries the same in chunks.
 */
export interface EmulatedCompletion {
  readonly choices: readonly EmulatedChoice[];
  readonly [field: string]: unknown;
}

/** A call of a tool by the model. */
export interface EmulatedToolCall {
  readonly name: string;
  /** An object is sent as JSON, a string as it is, even if it is not JSON. Default: `{}`. */
  readonly arguments?: string | Readonly<Record<string, unknown>> | undefined;
  /** Default: a unique id in vLLM's form, `chatcmpl-tool-…`. */
  readonly id?: string | undefined;
}

/** A part of a tool call in a chunk. */
export interface EmulatedToolCallDelta {
  /** Position of the tool call in its message. Default: 0. */
  readonly index?: number | undefined;
  /** Default: a unique one in the delta that has the `name`. */
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly arguments?: string | undefined;
}

/** One chunk of a reply. */
export interface EmulatedDelta {
  readonly reasoning?: string | undefined;
  readonly content?: string | undefined;
  readonly toolCalls?: readonly EmulatedToolCallDelta[] | undefined;
  /** Ends the reply with this chunk. Default: a chunk without text follows. */
  readonly finishReason?: string | undefined;
}

/** A chunk as it is on the wire. Missing fields besides `choices` are filled in. */
export interface EmulatedChunk {
  readonly choices: readonly { readonly [field: string]: unknown }[];
  readonly [field: string]: unknown;
}

/** A reply with more than text: reasoning before it, tool calls after it, or the exact chunks of a stream. */
export interface EmulatedReply {
  readonly reasoning?: string | undefined;
  readonly content?: string | undefined;
  readonly refusal?: string | undefined;
  readonly toolCalls?: readonly EmulatedToolCall[] | undefined;
  /**
   * In place of the other fields: the chunks of a stream, where a string is content; or the chunks as they are on the
   * wire, which are sent without regard to the request.
   */
  readonly chunks?: readonly (string | EmulatedDelta)[] | readonly EmulatedChunk[] | undefined;
  /** Default: `tool_calls` if there are any, else `stop`. */
  readonly finishReason?: string | undefined;
  /** Usage as it is on the wire. Default: four characters are one token. */
  readonly usage?: Readonly<Record<string, unknown>> | undefined;
}

/** The argument of a {@link ReplyFunction}. */
export interface ReplyContext {
  readonly request: ChatRequest;
  /** The key that authenticated the request. */
  readonly key: EmulatedKey;
  /** Aborted when the client no longer waits for the reply. */
  readonly signal: PlatformAbortSignal;
}

/**
 * What the model replies. Each item of an iterable becomes one chunk; the next item is requested only when the
 * client reads it, and `return` is called when the client leaves.
 */
export type Reply = string | AsyncIterable<string | EmulatedDelta> | EmulatedReply | EmulatedCompletion;

/** Computes the reply to a request. */
export type ReplyFunction = (context: ReplyContext) => Reply | Promise<Reply>;

export function isReply(value: unknown): value is Reply {
  return replySchema.safeParse(value).success;
}

export function isDelta(value: unknown): value is string | EmulatedDelta {
  return deltaSchema.safeParse(value).success;
}

export function isCompletion(reply: unknown): reply is EmulatedCompletion {
  return isObject(reply) && 'choices' in reply;
}

/** Whether the chunks of a reply are in the form of the wire. */
export function isWireStream(reply: Reply): reply is { readonly chunks: readonly EmulatedChunk[] } {
  return (
    typeof reply === 'object' &&
    'chunks' in reply &&
    (reply.chunks as object[]).some((chunk) => isCompletion(chunk))
  );
}

/** The text of a message's content, with its parts joined. */
export function textOf(content: EmulatedMessage['content']): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map(({ text: part }) => (typeof part === 'string' ? part : '')).join('');
}
