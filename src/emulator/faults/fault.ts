import type { Secret } from '../../secret/secret.ts';
import type { EmulatedOperation, EmulatedPlane } from '../operation.ts';

/** The requests to which a fault applies. A request must meet all conditions. */
export interface RequestFilter {
  readonly plane?: EmulatedPlane | undefined;
  readonly operation?: EmulatedOperation | undefined;
  /** The id, name or full key of the API key that authenticates the request, or that the request refers to. */
  readonly key?: string | Secret | undefined;
  /** The fault applies from the nth matching request onward. Default: 1. */
  readonly nth?: number | undefined;
}

/**
 * An emulated failure of a request.
 *
 * A fault can combine any delays and format changes, but can end the response in only one way. If several faults apply
 * to one request, their delays and format changes are combined, and one of them determines how the response ends:
 * a fault set by `next`, otherwise a random fault, otherwise a fault set by `always`.
 *
 * `…AfterChunks` fields specify how many events are sent first. In a shorter stream, the fault applies before `[DONE]`.
 * In a non-streaming response, an error replaces the body; other endings send half of it, or nothing if the count is 0.
 */
export interface Fault extends RequestFilter {
  /** Number of requests to which the fault applies. Default: 1. */
  readonly times?: number | undefined;

  /** Delay before the request is handled, in milliseconds. */
  readonly delayMs?: number | undefined;
  /** Delay between the events of a stream, in milliseconds. */
  readonly chunkDelayMs?: number | undefined;
  /** Stalls the response after the given number of chunks. */
  readonly stallAfterChunks?: number | undefined;
  /** With `stallAfterChunks`: duration of the stall in milliseconds. Default: until the client disconnects. */
  readonly stallMs?: number | undefined;

  /** Ends the lines of a stream with CRLF. */
  readonly crlf?: boolean | undefined;
  /** Sends a comment before each event of a stream. */
  readonly comments?: boolean | undefined;
  /** Number of bytes in each write of a stream. A write can contain part of an event, or several events. */
  readonly writeBytes?: number | undefined;

  /** Responds with the given status (200 to 599) without processing the request. */
  readonly status?: number | undefined;
  /**
   * With `status`: the body of the response. Strings are sent unchanged, other values as JSON. Default: the body that
   * the service sends with this status.
   */
  readonly body?: unknown;
  /** With `status`: additional headers. These override default headers, such as `content-type`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Drops the connection before the response. The request is not processed. */
  readonly dropConnection?: boolean | undefined;
  /** With `status` or `dropConnection`: whether the request is processed anyway. Default: false. */
  readonly applied?: boolean | undefined;

  /** Ends the response early without an error, as the gateway does if a line is not JSON or the connection is reset. */
  readonly truncateAfterChunks?: number | undefined;
  /** Ends the stream with `data: null`, as the gateway does if the model server sends an error or omits `[DONE]`. */
  readonly nullEventAfterChunks?: number | undefined;
  /**
   * Ends the stream with a JSON error without `data:`, as the gateway does if usage counts are not unsigned integers.
   */
  readonly errorBodyAfterChunks?: number | undefined;
  /** Sends an event with an error that is not in OpenAI's format, then `[DONE]`. The gateway passes on such errors. */
  readonly errorObjectAfterChunks?: number | undefined;
  /** Ends the stream with an `{"error": …}` event, as servers other than the gateway do. */
  readonly errorAfterChunks?: number | undefined;
  /** With `errorAfterChunks`: the value of `error`. */
  readonly errorEvent?: unknown;
  /** Sends an error event and `[DONE]`, as vLLM does when its engine dies. */
  readonly engineDiesAfterChunks?: number | undefined;
  /** Drops the connection after the given number of chunks. */
  readonly dropAfterChunks?: number | undefined;
  /** Corrupts the JSON of the first chunk (`true`), the chunk after the given number, or a non-streaming response. */
  readonly malformedJson?: boolean | number | undefined;
  /** Omits `[DONE]` from an otherwise complete stream. */
  readonly omitDone?: boolean | undefined;

  /** Time from the creation of a key until the data plane accepts it, in milliseconds. */
  readonly acceptedAfterMs?: number | undefined;
  /** Time from the deletion of a key until the data plane rejects it, in milliseconds. */
  readonly acceptedForMs?: number | undefined;
}

/** Random faults. Each affected request gets one fault, chosen from those that can apply to the request. */
export interface RandomFaults extends RequestFilter {
  /** The same seed yields the same faults for the same requests. Default: generated with the emulator's `random`. */
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

/** An active fault. If declared with `using`, the fault is removed at the end of the block. */
export interface ActiveFault extends Disposable {
  /** Number of requests to which the fault has been applied. */
  readonly hits: number;
  readonly remove: () => void;
}

/** Active random faults. */
export interface ActiveRandomFaults extends ActiveFault {
  /** To repeat the faults, pass this seed to {@link Faults.random}. */
  readonly seed: number;
}

/**
 * Sets and removes faults. The methods throw a `TypeError` that names the field if a field is invalid or conflicts with
 * another field.
 */
export interface Faults {
  /**
   * Sets a fault for the next matching request, or for the next `times` requests. If `next` has set several faults,
   * each matching request gets one of them, in order.
   */
  readonly next: (fault: Fault) => ActiveFault;
  /** Sets a fault for every matching request until the fault is removed. */
  readonly always: (fault: Omit<Fault, 'times'>) => ActiveFault;
  /** Sets random faults for randomly chosen requests. */
  readonly random: (faults?: RandomFaults) => ActiveRandomFaults;
  /** Removes all faults. */
  readonly clear: () => void;
}
