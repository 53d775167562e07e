import type { EmulatedOperation, EmulatedPlane } from './operation.ts';

/** How faults change the way in which a request is carried out. In milliseconds; 0 where nothing is changed. */
export interface Effects {
  /** How much later than it is answered a key is created or deleted. */
  readonly appliedAfterMs: number;
  /** How long a new key is not accepted. */
  readonly acceptedAfterMs: number;
  /** How long a deleted key is still accepted. */
  readonly acceptedForMs: number;
  /** How old the list is that is answered. */
  readonly listLagMs: number;
}

/** A request, and what is known of it before it is answered. */
export interface Call {
  readonly request: Request;
  /** Absent where the path belongs to neither plane. */
  readonly plane: EmulatedPlane | undefined;
  /** Absent where nothing is served there. */
  readonly operation: EmulatedOperation | undefined;
  /** What stands in the path for the parameters of the route, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** Aborted when the caller leaves, and when the emulator is closed. */
  readonly signal: AbortSignal;
  readonly effects: Effects;
}
