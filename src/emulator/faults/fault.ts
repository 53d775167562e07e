import type { Secret } from '../../secret/secret.ts';
import type { EmulatedOperation, EmulatedPlane } from '../operation.ts';

/** Which calls a fault meets: those that fit all that is given. */
export interface RequestFilter {
  readonly plane?: EmulatedPlane | undefined;
  readonly operation?: EmulatedOperation | undefined;
  /** Such as `POST`. */
  readonly method?: string | undefined;
  /**
   * The path of the URL, or what follows the base path of its plane: `/apikeys`, `/chat/completions`. In a text, `*`
   * stands for any segment and `**` for any number of them.
   */
  readonly path?: string | RegExp | undefined;
  /** The key that a call is made with, or is about: its id, its name, or the key itself. */
  readonly key?: string | Secret | undefined;
  /** The first of the calls that fit to be met, counted from when the fault was set. Default: 1. */
  readonly nth?: number | undefined;
  /** How likely a call that fits is met, from 0 to 1. Default: 1; of random faults, 0.1. */
  readonly probability?: number | undefined;
}

/**
 * What goes wrong with the calls that a fault meets.
 *
 * A fault says one way in which a call is answered, if any, and any number of delays. Where several faults meet one
 * call, their delays are taken together, and one of them says how it is answered: one of `next` rather than a random
 * one, and a random one rather than one of `always`.
 *
 * Chunks are the events of a stream. Where a number of them is given, all of them have gone out if there are fewer,
 * but `[DONE]` has not. Of an answer in one piece, half goes out, and nothing for 0.
 */
export interface Fault extends RequestFilter {
  /** How many calls are met. Default: 1. */
  readonly times?: number | undefined;

  /** How long nothing happens with the request, in milliseconds. */
  readonly delayMs?: number | undefined;
  /** How long it takes from one chunk to the next, in milliseconds. */
  readonly chunkDelayMs?: number | undefined;

  /** Answered in place of the service, without carrying out the request: from 200 to 599. */
  readonly status?: number | undefined;
  /** With `status`: a text as it is, anything else as JSON. Default: what the contract has for the status. */
  readonly body?: unknown;
  /** With `status` or `html`: more headers of the answer. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The page of some gateway instead of an answer, or a page of one's own. `status` defaults to 200. */
  readonly html?: boolean | string | undefined;
  /** The connection is lost before the answer, and the request is not carried out. */
  readonly dropConnection?: boolean | undefined;
  /** With `status`, `html` or `dropConnection`: whether the request is carried out all the same. Default: false. */
  readonly applied?: boolean | undefined;
  /**
   * A key is created or deleted only so many milliseconds later, whatever is answered. The place of a new key within
   * the limit is taken at once.
   */
  readonly appliedAfterMs?: number | undefined;

  /** The answer ends in good order after so many chunks, without `[DONE]`: what the gateway does when a model fails. */
  readonly truncateAfterChunks?: number | undefined;
  /** The connection is lost after so many chunks. */
  readonly dropAfterChunks?: number | undefined;
  /** After so many chunks an event with an `error` comes, and the answer ends. */
  readonly errorAfterChunks?: number | undefined;
  /** With `errorAfterChunks`: what stands in `error`. */
  readonly errorEvent?: unknown;
  /**
   * After so many chunks `data: null` is sent and the response ends: the gateway's ending when a model server closes
   * its stream without `[DONE]` or reports an error in it.
   */
  readonly nullEventAfterChunks?: number | undefined;
  /**
   * After so many chunks an error body without `data:` is sent and the response ends: the gateway's ending when a
   * model server reports a usage that is not unsigned integers.
   */
  readonly errorBodyAfterChunks?: number | undefined;
  /**
   * After so many chunks an error that is not in an `error` field is sent as an ordinary event, then `[DONE]`: the
   * gateway's ending when a model server reports its failure in another form than OpenAI's.
   */
  readonly errorObjectAfterChunks?: number | undefined;
  /** With `errorObjectAfterChunks`: the data of the event. */
  readonly errorObject?: unknown;
  /** After so many chunks half an event comes, and the answer ends. */
  readonly halfEventAfterChunks?: number | undefined;
  /** The first chunk, or the whole answer, is no JSON. */
  readonly malformedJson?: boolean | undefined;
  /** The chunk after so many is no JSON; those after it are as they should be. */
  readonly malformedJsonAfterChunks?: number | undefined;
  /** The stream is whole, but for `[DONE]`. */
  readonly omitDone?: boolean | undefined;

  /** How long the key that is created is not accepted, in milliseconds. */
  readonly acceptedAfterMs?: number | undefined;
  /** How long the key that is deleted is still accepted, in milliseconds. */
  readonly acceptedForMs?: number | undefined;
  /** How old the list is that is answered, in milliseconds: keys are missing, and deleted ones are on it. */
  readonly listLagMs?: number | undefined;
}

/**
 * The ways in which things go wrong at random, by the field of a {@link Fault} that says so. `applied` stands for a
 * request that is carried out and never answered.
 */
export type FaultKind =
  | 'delayMs'
  | 'chunkDelayMs'
  | 'status'
  | 'html'
  | 'dropConnection'
  | 'applied'
  | 'appliedAfterMs'
  | 'truncateAfterChunks'
  | 'dropAfterChunks'
  | 'errorAfterChunks'
  | 'halfEventAfterChunks'
  | 'malformedJson'
  | 'omitDone'
  | 'acceptedAfterMs'
  | 'acceptedForMs'
  | 'listLagMs';

/** Which random faults there are to be. */
export interface RandomFaults extends RequestFilter {
  /** The same seed makes the same faults for the same calls. Default: one drawn from the emulator's `random`. */
  readonly seed?: number | undefined;
  /** Default: all of them. Each call that is met gets one that is possible with it. */
  readonly kinds?: readonly FaultKind[] | undefined;
  /** The longest of all delays, in milliseconds. Default: 1000. */
  readonly maxDelayMs?: number | undefined;
}

/** A fault that was set. With `using` it is taken back at the end of the block. */
export interface ActiveFault extends Disposable {
  /** How many calls it has met. */
  readonly hits: number;
  /** Takes it back. */
  readonly remove: () => void;
}

/** Random faults that were set. */
export interface ActiveRandomFaults extends ActiveFault {
  /** Give it to {@link Faults.random} to have the same faults again. */
  readonly seed: number;
}

/** What is to go wrong. Every method throws a TypeError that names the field that is wrong or contradicts another. */
export interface Faults {
  /** For the next call that fits, or the next `times` calls. Of several, each call takes one, in their order. */
  readonly next: (fault: Fault) => ActiveFault;
  /** For every call that fits, until it is taken back. */
  readonly always: (fault: Omit<Fault, 'times'>) => ActiveFault;
  /** For calls at random, whatever can go wrong with them. */
  readonly random: (faults?: RandomFaults) => ActiveRandomFaults;
  /** Takes back all of them. */
  readonly clear: () => void;
}
