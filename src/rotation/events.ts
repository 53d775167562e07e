/** What a ring tells of. Ids and masked keys only. */
export interface KeyRingEvents {
  /** A key was made; it is not in use yet. */
  created: { readonly id: string; readonly maskedKey: string; readonly seq: number };
  /** Another key is the current one, whoever has made it so. */
  rotated: { readonly id: string; readonly maskedKey: string; readonly epoch: number };
  /** A key was taken out of use before its time. */
  revoked: { readonly id: string; readonly reason: string };
  /** A key of the ring that had been retired is deleted. */
  deleted: { readonly id: string; readonly reason: string };
  /** A key of the ring that nobody could have used is deleted. */
  'orphan-deleted': { readonly id: string; readonly maskedKey: string };
  /** A key that was in use is refused by the service: somebody deleted or disabled it elsewhere. */
  replaced: { readonly id: string };
  /** Keys of a ring of this name that is not this one: of another environment on the same account. Left alone. */
  'name-conflict': { readonly ringId: string; readonly ids: readonly string[] };
  /** The store answered with an older record than it has before; this reader keeps what it has. */
  'stale-read': { readonly epoch: number };
  /** A pass in the background failed; the next one tries again. */
  error: { readonly error: unknown };
}

export type KeyRingEvent = keyof KeyRingEvents;

/** Tells of an event. */
export type Emit = <Event extends KeyRingEvent>(event: Event, details: KeyRingEvents[Event]) => void;

interface Registration {
  readonly listener: (details: never) => unknown;
}

/** Who wants to hear of what. */
export class EventListeners {
  readonly #registrations = new Map<KeyRingEvent, Set<Registration>>();

  /** @returns what ends it. */
  add<Event extends KeyRingEvent>(
    event: Event,
    listener: (details: KeyRingEvents[Event]) => void,
  ): () => void {
    const registrations = this.#registrations.get(event) ?? new Set();
    this.#registrations.set(event, registrations);
    // One of its own, also for a function that listens already: each is ended by itself.
    const registration = { listener };
    registrations.add(registration);
    return () => void registrations.delete(registration);
  }

  readonly emit: Emit = (event, details) => {
    for (const { listener } of [...(this.#registrations.get(event) ?? [])]) {
      void call(listener as (details: unknown) => unknown, details);
    }
  };
}

/** Who listens is no reason to stop in the middle of a pass; nor, where it is an asynchronous function, the process. */
async function call(listener: (details: unknown) => unknown, details: unknown): Promise<void> {
  try {
    await listener(details);
  } catch {
    // It is the listener's own affair.
  }
}
