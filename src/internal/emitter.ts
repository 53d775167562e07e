/** Listeners of typed events. */
export class Emitter<Events extends object> {
  readonly #registrations = new Map<keyof Events, Set<{ readonly listener: (details: never) => unknown }>>();

  /** @returns a function that removes the listener. The same function can be added twice. */
  add<Event extends keyof Events>(event: Event, listener: (details: Events[Event]) => unknown): () => void {
    const registrations = this.#registrations.get(event) ?? new Set();
    this.#registrations.set(event, registrations);
    const registration = { listener };
    registrations.add(registration);
    return () => void registrations.delete(registration);
  }

  /** Calls the listeners. @returns their number. Errors and rejections of a listener are its own concern. */
  emit<Event extends keyof Events>(event: Event, details: Events[Event]): number {
    const registrations = [...(this.#registrations.get(event) ?? [])];
    for (const { listener } of registrations) {
      void (async () => (listener as (details: unknown) => unknown)(details))().catch(() => {});
    }
    return registrations.length;
  }
}
