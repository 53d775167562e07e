import type { Secret } from '../../secret/secret.ts';
import type { EmulatedOperation, EmulatedPlane } from '../operation.ts';

/** Which requests a fault applies to: those that meet every given condition. */
export interface RequestFilter {
  readonly plane?: EmulatedPlane | undefined;
  readonly operation?: EmulatedOperation | undefined;
  /** The key that authenticates a request or that the request is about: its id, its name, or the full key. */
  readonly key?: string | Secret | undefined;
  /** Position of the first matching request that the fault applies to. Default: 1. */
  readonly nth?: number | undefined;
}

/**
 * What goes wrong with a request.
 *
 * A fault has at most one way in which a response ends, and any number of delays and formats. If several faults apply
 * to one request, their delays and formats are combined, and one of them decides how the response ends: one of `next`
 * before a random one, and a random one before one of `always`.
 *
 * `…AfterChunks` is the number of events of a stream that are sent first; if it has fewer, the fault applies before
 * `[DONE]`. Of a response in one piece, the first half is sent, and nothing for 0.
 */
export interface Fault extends RequestFilter {
  /** Number of requests that the fault applies to. Default: 1. */
  readonly times?: number | undefined;

  /** Delay before the request is handled, in milliseconds. */
  readonly delayMs?: number | undefined;
  /** Delay between two chunks, in milliseconds. */
  readonly chunkDelayMs?: number | undefined;
  /** The response stalls after this many chunks. */
  readonly stallAfterChunks?: number | undefined;
  /** With `stallAfterChunks`: how long, in milliseconds. Default: until the client leaves. */
  readonly stallMs?: number | undefined;

  /** The lines of a stream end with CRLF. */
  readonly crlf?: boolean | undefined;
  /** A comment precedes each event of a stream. */
  readonly comments?: boolean | undefined;
  /** Bytes per write of a stream: events are split anywhere, or several are written at once. */
  readonly writeBytes?: number | undefined;

  /** Status of a response in place of the service's, from 200 to 599. The request is not applied. */
  readonly status?: number | undefined;
  /** With `status`: a string is sent as it is, anything else as JSON. Default: the service's body for the status. */
  readonly body?: unknown;
  /** With `status` or `html`: further headers. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The page of a proxy in place of the response, or a custom page. `status` defaults to 200. */
  readonly html?: boolean | string | undefined;
  /** The connection is lost before the response. The request is not applied. */
  readonly dropConnection?: boolean | undefined;
  /** With `status`, `html` or `dropConnection`: whether the request is applied anyway. Default: false. */
  readonly applied?: boolean | undefined;
  /** The key is created or deleted this many milliseconds later. A new key counts toward the limit at once. */
  readonly appliedAfterMs?: number | undefined;

  /** The response just ends: the gateway's ending for a reset connection or a line that is not JSON. */
  readonly truncateAfterChunks?: number | undefined;
  /** `data: null` and the end: the gateway's ending for a stream without `[DONE]` or with an error event. */
  readonly nullEventAfterChunks?: number | undefined;
  /** An error body without `data:` and the end: the gateway's ending for a usage that is not unsigned integers. */
  readonly errorBodyAfterChunks?: number | undefined;
  /** An error in another form than OpenAI's as an ordinary event, then `[DONE]`: the gateway passes it on. */
  readonly errorObjectAfterChunks?: number | undefined;
  /** With `errorObjectAfterChunks`: the data of the event. */
  readonly errorObject?: unknown;
  /** `{"error": …}` as an event and the end, as other servers do. */
  readonly errorAfterChunks?: number | undefined;
  /** With `errorAfterChunks`: the value of `error`. */
  readonly errorEvent?: unknown;
  /** vLLM's error event, then `[DONE]`: its ending when the engine dies. */
  readonly engineDiesAfterChunks?: number | undefined;
  /** The connection is lost. */
  readonly dropAfterChunks?: number | undefined;
  /** Half an event and the end. */
  readonly halfEventAfterChunks?: number | undefined;
  /** The first chunk, or the one after this many others, or a response in one piece, is not JSON. */
  readonly malformedJson?: boolean | number | undefined;
  /** The stream is complete except for `[DONE]`. */
  readonly omitDone?: boolean | undefined;

  /** The new key is not accepted for this many milliseconds. */
  readonly acceptedAfterMs?: number | undefined;
  /** The deleted key is accepted for this many milliseconds. */
  readonly acceptedForMs?: number | undefined;
  /** The list is this many milliseconds old: new keys are missing, deleted ones are present. */
  readonly listLagMs?: number | undefined;
}

/** The kinds of random faults, named by their field of {@link Fault}. `applied` is a request without a response. */
export type FaultKind = Exclude<
  keyof Fault,
  keyof RequestFilter | 'times' | 'body' | 'headers' | 'errorEvent' | 'errorObject' | 'stallMs'
>;

/** Random faults. */
export interface RandomFaults extends RequestFilter {
  /** The same seed gives the same faults for the same requests. Default: one from the emulator's `random`. */
  readonly seed?: number | undefined;
  /** Default: all. A request gets one of those that are possible for it. */
  readonly kinds?: readonly FaultKind[] | undefined;
  /** Probability that a matching request gets a fault. Default: 0.1. */
  readonly probability?: number | undefined;
  /** Maximum of all delays, in milliseconds. Default: 1000. */
  readonly maxDelayMs?: number | undefined;
}

/** A fault in JSON, with the method of {@link Faults} that sets it. */
export type ScheduledFault =
  | (Fault & { readonly mode?: 'next' | undefined })
  | (Omit<Fault, 'times'> & { readonly mode: 'always' })
  | (RandomFaults & { readonly mode: 'random' });

/** A fault in effect. With `using`, it is removed at the end of the block. */
export interface ActiveFault extends Disposable {
  /** Number of requests that it was applied to. */
  readonly hits: number;
  readonly remove: () => void;
}

/** Random faults in effect. */
export interface ActiveRandomFaults extends ActiveFault {
  /** Pass it to {@link Faults.random} to repeat the faults. */
  readonly seed: number;
}

/** Sets faults. Every method throws a `TypeError` that names a field that is invalid or contradicts another. */
export interface Faults {
  /** Applies to the next matching request, or the next `times`. Of several, each request takes one, in order. */
  readonly next: (fault: Fault) => ActiveFault;
  /** Applies to every matching request until it is removed. */
  readonly always: (fault: Omit<Fault, 'times'>) => ActiveFault;
  /** Applies to requests at random. */
  readonly random: (faults?: RandomFaults) => ActiveRandomFaults;
  /** Removes all of them. */
  readonly clear: () => void;
}
