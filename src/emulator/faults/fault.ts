import type { Secret } from '../../secret/secret.ts';
import type { EmulatedOperation, EmulatedPlane } from '../operation.ts';

/** The requests to which a fault applies. A request must meet all conditions. */
export interface RequestFilter {
  readonly plane?: EmulatedPlane | undefined;
  readonly operation?: EmulatedOperation | undefined;
  /** The key that authenticates a request or that the request refers to, as its id, its name or the full key. */
  readonly key?: string | Secret | undefined;
  /** Position of the first matching request to which the fault applies. Default: 1. */
  readonly nth?: number | undefined;
}

/**
 * An emulated failure of a request.
 *
 * A fault ends a response in at most one way, but can have any number of delays and formats. If several faults apply to
 * one request, their delays and formats are combined, and one of them determines how the response ends: faults set by
 * `next` take precedence over random faults, and random faults over faults set by `always`.
 *
 * `…AfterChunks` is the number of events that a stream sends first. If the stream has fewer events, the fault applies
 * before `[DONE]`. If the response is not a stream, its first half is sent, or nothing for 0.
 */
export interface Fault extends RequestFilter {
  /** Number of requests to which the fault applies. Default: 1. */
  readonly times?: number | undefined;

  /** Delay before the request is handled, in milliseconds. */
  readonly delayMs?: number | undefined;
  /** Delay between two events of a stream, in milliseconds. */
  readonly chunkDelayMs?: number | undefined;
  /** Stalls the response after this many chunks. */
  readonly stallAfterChunks?: number | undefined;
  /** With `stallAfterChunks`: how long, in milliseconds. Default: until the client disconnects. */
  readonly stallMs?: number | undefined;

  /** Ends the lines of a stream with CRLF. */
  readonly crlf?: boolean | undefined;
  /** Sends a comment before each event of a stream. */
  readonly comments?: boolean | undefined;
  /** Number of bytes per write of a stream. A write can contain part of an event, or several events. */
  readonly writeBytes?: number | undefined;

  /** Responds with this status (200 to 599) without applying the request. */
  readonly status?: number | undefined;
  /**
   * With `status`: the body. Strings are sent unchanged, other values as JSON. Default: the service's body for the
   * status.
   */
  readonly body?: unknown;
  /** With `status`: additional headers. They override the headers that the body implies. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Drops the connection before the response. The request is not applied. */
  readonly dropConnection?: boolean | undefined;
  /** With `status` or `dropConnection`: whether the request is applied anyway. Default: false. */
  readonly applied?: boolean | undefined;

  /** Ends the response without an error, as the gateway does after a connection reset or a line that is not JSON. */
  readonly truncateAfterChunks?: number | undefined;
  /** Ends the stream with `data: null`, as the gateway does for a stream without `[DONE]` or with an error event. */
  readonly nullEventAfterChunks?: number | undefined;
  /**
   * Ends the stream with an error body without `data:`, as the gateway does if usage counts are not unsigned integers.
   */
  readonly errorBodyAfterChunks?: number | undefined;
  /** Sends an error not in OpenAI's format as an ordinary event, then `[DONE]`, the way the gateway passes it on. */
  readonly errorObjectAfterChunks?: number | undefined;
  /** Ends the stream with an `{"error": …}` event, as other servers do. */
  readonly errorAfterChunks?: number | undefined;
  /** With `errorAfterChunks`: the value of `error`. */
  readonly errorEvent?: unknown;
  /** Sends an error event and `[DONE]`, as vLLM does when its engine dies. */
  readonly engineDiesAfterChunks?: number | undefined;
  /** Drops the connection. */
  readonly dropAfterChunks?: number | undefined;
  /** Turns the first chunk, the chunk after this many others, or a whole response into invalid JSON. */
  readonly malformedJson?: boolean | number | undefined;
  /** Omits `[DONE]` from an otherwise complete stream. */
  readonly omitDone?: boolean | undefined;

  /** The data plane rejects the new key for this many milliseconds. */
  readonly acceptedAfterMs?: number | undefined;
  /** The data plane still accepts the deleted key for this many milliseconds. */
  readonly acceptedForMs?: number | undefined;
}

/** Random faults. Each affected request gets one that is possible for it. */
export interface RandomFaults extends RequestFilter {
  /** The same seed yields the same faults for the same requests. Default: a seed from the emulator's `random`. */
  readonly seed?: number | undefined;
  /** Probability that a fault is applied to a matching request. Default: 0.1. */
  readonly probability?: number | undefined;
  /** Maximum delay, in milliseconds. Default: 1000. */
  readonly maxDelayMs?: number | undefined;
}

/** The JSON form of a fault; `mode` is the name of the {@link Faults} method that sets it. */
export type ScheduledFault =
  | (Fault & { readonly mode?: 'next' | undefined })
  | (Omit<Fault, 'times'> & { readonly mode: 'always' })
  | (RandomFaults & { readonly mode: 'random' });

/** An active fault. With `using`, it is removed at the end of the block. */
export interface ActiveFault extends Disposable {
  /** Number of requests to which the fault was applied. */
  readonly hits: number;
  readonly remove: () => void;
}

/** Active random faults. */
export interface ActiveRandomFaults extends ActiveFault {
  /** To repeat the faults, pass this seed to {@link Faults.random}. */
  readonly seed: number;
}

/**
 * Sets faults. Every method throws a `TypeError` if a field is invalid or contradicts another; the error names the
 * field.
 */
export interface Faults {
  /**
   * Sets a fault for the next matching request, or for the next `times` requests. If there are several such faults,
   * each request gets one of them, in order.
   */
  readonly next: (fault: Fault) => ActiveFault;
  /** Sets a fault for every matching request until the fault is removed. */
  readonly always: (fault: Omit<Fault, 'times'>) => ActiveFault;
  /** Sets faults for random requests. */
  readonly random: (faults?: RandomFaults) => ActiveRandomFaults;
  /** Removes all faults. */
  readonly clear: () => void;
}
