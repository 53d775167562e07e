/** What a ring tells of. Ids and masked keys only. */
export interface KeyRingEvents {
  /** A key was made; it is not in use yet. */
  minted: { readonly id: string; readonly maskedKey: string; readonly seq: number };
  /** Another key is the current one, whoever has made it so. */
  rotated: { readonly id: string; readonly maskedKey: string; readonly epoch: number };
  /** A key was taken out of use before its time. */
  revoked: { readonly id: string; readonly reason: string };
  /** A key of the ring that had been retired is deleted. */
  deleted: { readonly id: string; readonly reason: string };
  /** A key of the ring that nobody could have used is deleted. */
  'orphan-swept': { readonly id: string; readonly maskedKey: string };
  /** A key that was in use is refused by the service: somebody deleted or disabled it elsewhere. */
  healed: { readonly id: string };
  /** Keys of a ring of this name that is not this one: of another environment on the same account. Left alone. */
  'foreign-ring': { readonly ringId: string; readonly ids: readonly string[] };
  /** The store answered with an older record than it has before; this reader keeps what it has. */
  'stale-record': { readonly epoch: number };
  /** A pass in the background failed; the next one tries again. */
  failed: { readonly error: unknown };
}

export type KeyRingEvent = keyof KeyRingEvents;

/** Tells of an event. */
export type Emit = <Event extends KeyRingEvent>(event: Event, details: KeyRingEvents[Event]) => void;

type Listener = (details: never) => void;

/** Who wants to hear of what. */
export class EventListeners {
  readonly #listeners = new Map<KeyRingEvent, Set<Listener>>();

  /** @returns what ends it. */
  add<Event extends KeyRingEvent>(
    event: Event,
    listener: (details: KeyRingEvents[Event]) => void,
  ): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  readonly emit: Emit = (event, details) => {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        (listener as (details: unknown) => void)(details);
      } catch {
        // Who listens is no reason to stop in the middle of a pass.
      }
    }
  };
}
