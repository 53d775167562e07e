import type { PlatformAbortSignal } from '../../internal/platform.ts';
import type { EmulatedKey } from '../keys.ts';

/** A chat request. The emulator validates the fields that it uses and leaves all others unchanged. */
export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly EmulatedMessage[];
  readonly stream?: boolean | null | undefined;
  readonly [field: string]: unknown;
}

/** A message in a request or a completion. */
export interface EmulatedMessage {
  readonly role?: string | undefined;
  /** A string, or an array of parts. Parts without `text` are ignored. */
  readonly content?: string | null | readonly { readonly [field: string]: unknown }[] | undefined;
  readonly [field: string]: unknown;
}

/** A choice in an {@link EmulatedCompletion}. */
export interface EmulatedChoice {
  /** Index of the choice. Default: its position in `choices`. */
  readonly index?: number | undefined;
  /** The model's message. `role` defaults to `assistant`. */
  readonly message: EmulatedMessage;
  /** Default: `stop`. */
  readonly finish_reason?: string | null | undefined;
  readonly [field: string]: unknown;
}

/**
 * A completion in wire format, for example with several choices, a custom `usage` or unknown fields. Missing fields are
 * filled in, but limits in the request, such as `max_tokens`, do not apply. Streaming requests receive chunks.
 */
export interface EmulatedCompletion {
  readonly choices: readonly EmulatedChoice[];
  readonly [field: string]: unknown;
}

/** A tool call made by the model. */
export interface EmulatedToolCall {
  readonly name: string;
  /** Objects are sent as JSON; strings are sent unchanged, even if they are not valid JSON. Default: `{}`. */
  readonly arguments?: string | Readonly<Record<string, unknown>> | undefined;
  /** Id of the tool call. Default: a unique id in vLLM's format, `chatcmpl-tool-…`. */
  readonly id?: string | undefined;
}

/** The part of a tool call in one chunk. */
export interface EmulatedToolCallDelta {
  /** Position of the tool call in its message. Default: 0. */
  readonly index?: number | undefined;
  /** Default: a unique id in the first delta of the tool call, and no id in the other deltas. */
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly arguments?: string | undefined;
}

/** One chunk of a reply. */
export interface EmulatedDelta {
  readonly reasoning?: string | undefined;
  readonly content?: string | undefined;
  readonly toolCalls?: readonly EmulatedToolCallDelta[] | undefined;
  /** Ends the reply with this chunk. If no chunk has a finish reason, an empty chunk with a finish reason is added. */
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
   * Chunks of a stream, instead of `reasoning`, `content`, `refusal` and `toolCalls`. Strings are chunks of content.
   * Limits in the request, such as `max_tokens`, do not apply to chunks in wire format.
   */
  readonly chunks?: readonly (string | EmulatedDelta)[] | readonly EmulatedChunk[] | undefined;
  /** Default: `tool_calls` if there are tool calls, otherwise `stop`. */
  readonly finishReason?: string | undefined;
  /** Usage in wire format. Default: an estimate that assumes four characters per token. */
  readonly usage?: Readonly<Record<string, unknown>> | undefined;
}

/** The argument that a {@link ReplyFunction} receives. */
export interface ReplyContext {
  readonly request: ChatRequest;
  /** The key that authenticated the request. */
  readonly key: EmulatedKey;
  /** A signal that is aborted when the client stops waiting for the reply. */
  readonly signal: PlatformAbortSignal;
}

/**
 * A reply from the model. Each item of an async iterable becomes one chunk and is pulled only when the client reads the
 * chunk. If the client disconnects, the iterator's `return` method is called.
 */
export type Reply = string | AsyncIterable<string | EmulatedDelta> | EmulatedReply | EmulatedCompletion;

/** Computes the reply to a request. */
export type ReplyFunction = (context: ReplyContext) => Reply | Promise<Reply>;
