import { check } from '../errors/invalid.ts';
import { keyRingChannel } from '../internal/runtime.ts';
import { safeCause } from './safe-cause.ts';
import { checkFunction } from './stores/store.ts';

/** The events of a {@link KeyRing}. They contain ids and masked keys but no secrets. */
export interface KeyRingEvents {
  /** This process created a key (or recovered it after a lost response) and stored it. The key is not in use yet. */
  created: { readonly id: string; readonly maskedKey: string; readonly seq: number };
  /** A new key became current. Any process may have promoted it. */
  rotated: { readonly id: string; readonly maskedKey: string; readonly epoch: number };
  /** A key was revoked, and the service now rejects it. */
  revoked: { readonly id: string; readonly reason: string };
  /** A retired key was deleted. */
  deleted: { readonly id: string; readonly reason: string };
  /** A key that was missing from the ring's record was deleted, typically after its creator crashed. */
  'orphan-deleted': { readonly id: string; readonly maskedKey: string };
  /** The current key or the standby was deleted or disabled outside the ring, so the ring has retired it. */
  replaced: { readonly id: string };
  /** The account contains keys that belong to another ring with this name, for example in another environment. */
  'name-conflict': { readonly ringId: string; readonly ids: readonly string[] };
  /** The store returned an older record than before, or none (`epoch` 0). The ring keeps using the newer record. */
  'stale-read': { readonly epoch: number };
  /** Background work failed, or the ring needs attention. Without listeners, the first error is logged as a warning. */
  error: { readonly error: unknown };
}

export type KeyRingEvent = keyof KeyRingEvents;

/** A string rather than an array, so that bundlers can drop it if it is unused. */
const EVENTS = 'created rotated revoked deleted orphan-deleted replaced name-conflict stale-read error';

interface Registration {
  readonly event: KeyRingEvent;
  readonly listener: (details: never) => unknown;
}

/** Emits the events of one ring and keeps its last error. */
export class RingEvents {
  readonly #ring: string;
  readonly #registrations = new Set<Registration>();
  #hasWarned = false;
  /** The last error, unless it has been resolved. */
  lastError: unknown;

  constructor(ring: string) {
    this.#ring = ring;
  }

  /** Adds a listener. A function can be added more than once. @returns A function that removes the listener. */
  on<Event extends KeyRingEvent>(
    event: Event,
    listener: (details: KeyRingEvents[Event]) => unknown,
  ): () => void {
    check(EVENTS.split(' ').includes(event), 'event', `must be one of ${EVENTS}`);
    checkFunction(listener, 'listener');
    const registration = { event, listener };
    this.#registrations.add(registration);
    return () => void this.#registrations.delete(registration);
  }

  emit<Event extends KeyRingEvent>(event: Event, details: KeyRingEvents[Event]): void {
    if (keyRingChannel?.hasSubscribers) keyRingChannel.publish({ ring: this.#ring, event, ...details });
    const registrations = [...this.#registrations].filter((one) => one.event === event);
    for (const { listener } of registrations) {
      // A listener that throws or rejects must not affect the ring.
      void (async () => listener(details as never))().catch(() => {});
    }
    if (event !== 'error') return;
    this.lastError = (details as KeyRingEvents['error']).error;
    if (registrations.length > 0 || this.#hasWarned) return;
    this.#hasWarned = true;
    const warning = `Key ring \`${this.#ring}\`: ${safeCause(this.lastError).message}. Later errors appear only in \`status().lastError\`. To handle them, add an \`error\` listener.`;
    const { process } = globalThis as Runtime;
    if (process?.emitWarning) process.emitWarning(warning, { type: 'KeyRingWarning', code: 'DRUN_KEY_RING' });
    // biome-ignore lint/suspicious/noConsole: the only way to warn on runtimes without process warnings
    else console.warn(warning);
  }

  clearError(error: unknown): void {
    if (this.lastError === error) this.lastError = undefined;
  }
}

interface Runtime {
  readonly process?: { readonly emitWarning?: (message: string, options: object) => void };
}
