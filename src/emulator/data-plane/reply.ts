import type { PlatformAbortSignal } from '../../internal/platform.ts';
import type { EmulatedKey } from '../keys.ts';

/** A chat request. Fields that the emulator reads are validated; all others are passed on unchanged. */
export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly EmulatedMessage[];
  readonly stream?: boolean | null | undefined;
  readonly [field: string]: unknown;
}

/** A message of a request or a completion. */
export interface EmulatedMessage {
  readonly role?: string | undefined;
  /** A string, or an array of parts, of which only those with `text` are read. */
  readonly content?: string | null | readonly { readonly [field: string]: unknown }[] | undefined;
  readonly [field: string]: unknown;
}

/** A choice of an {@link EmulatedCompletion}. */
export interface EmulatedChoice {
  /** Default: the position of the choice. */
  readonly index?: number | undefined;
  /** The model's message. `role` defaults to `assistant`. */
  readonly message: EmulatedMessage;
  /** Default: `stop`. */
  readonly finish_reason?: string | null | undefined;
  readonly [field: string]: unknown;
}

/**
 * A whole completion in wire format, for example with several choices, a custom `usage` or unknown fields. It is sent
 * regardless of the request, and missing fields are filled in. For a stream, the same content is sent in chunks.
 */
export interface EmulatedCompletion {
  readonly choices: readonly EmulatedChoice[];
  readonly [field: string]: unknown;
}

/** A tool call made by the model. */
export interface EmulatedToolCall {
  readonly name: string;
  /** Objects are sent as JSON; strings are sent unchanged, even if they are not JSON. Default: `{}`. */
  readonly arguments?: string | Readonly<Record<string, unknown>> | undefined;
  /** Default: a unique id in vLLM's format, `chatcmpl-tool-…`. */
  readonly id?: string | undefined;
}

/** A part of a tool call in a chunk. */
export interface EmulatedToolCallDelta {
  /** Position of the tool call in its message. Default: 0. */
  readonly index?: number | undefined;
  /** Default: a unique id in the delta that has the `name`. */
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly arguments?: string | undefined;
}

/** One chunk of a reply. */
export interface EmulatedDelta {
  readonly reasoning?: string | undefined;
  readonly content?: string | undefined;
  readonly toolCalls?: readonly EmulatedToolCallDelta[] | undefined;
  /** Ends the reply with this chunk. Default: an additional chunk without text ends the reply. */
  readonly finishReason?: string | undefined;
}

/** A chunk in wire format. Missing fields other than `choices` are filled in. */
export interface EmulatedChunk {
  readonly choices: readonly { readonly [field: string]: unknown }[];
  readonly [field: string]: unknown;
}

/** A reply with more than text: reasoning before the text, tool calls after it, or the exact chunks of a stream. */
export interface EmulatedReply {
  readonly reasoning?: string | undefined;
  readonly content?: string | undefined;
  readonly refusal?: string | undefined;
  readonly toolCalls?: readonly EmulatedToolCall[] | undefined;
  /**
   * Chunks of a stream, instead of the other fields. Strings are content. Chunks in wire format are sent regardless of
   * the request.
   */
  readonly chunks?: readonly (string | EmulatedDelta)[] | readonly EmulatedChunk[] | undefined;
  /** Default: `tool_calls` if there are tool calls, otherwise `stop`. */
  readonly finishReason?: string | undefined;
  /** Usage in wire format. Default: an estimate that assumes four characters per token. */
  readonly usage?: Readonly<Record<string, unknown>> | undefined;
}

/** The argument of a {@link ReplyFunction}. */
export interface ReplyContext {
  readonly request: ChatRequest;
  /** The key that authenticated the request. */
  readonly key: EmulatedKey;
  /** Aborted when the client stops waiting for the reply. */
  readonly signal: PlatformAbortSignal;
}

/**
 * A reply from the model. Each item of an iterable becomes one chunk. The next item is requested only when the client
 * reads it, and `return` is called when the client disconnects.
 */
export type Reply = string | AsyncIterable<string | EmulatedDelta> | EmulatedReply | EmulatedCompletion;

/** Computes the reply to a request. */
export type ReplyFunction = (context: ReplyContext) => Reply | Promise<Reply>;
