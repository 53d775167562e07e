/** Where one event ends and the next begins. */
const BLANK_LINE = /\r\n\r\n|\n\n|\r\r/g;

/** Cuts the bytes of a stream of server-sent events into whole events. */
export class EventSplitter {
  readonly #decoder = new TextDecoder();
  #rest = '';

  /** The events that are whole with these bytes, each with the blank line that ends it. */
  push(bytes: Uint8Array): string[] {
    // A blank line may have been cut in the middle; what is further back was searched before.
    let from = Math.max(0, this.#rest.length - 3);
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    const events: string[] = [];
    let start = 0;
    for (;;) {
      BLANK_LINE.lastIndex = from;
      const match = BLANK_LINE.exec(this.#rest);
      if (match === null) break;
      from = match.index + match[0].length;
      events.push(this.#rest.slice(start, from));
      start = from;
    }
    this.#rest = this.#rest.slice(start);
    return events;
  }

  /** What came after the last whole event. */
  get rest(): string {
    return this.#rest;
  }
}

/** The data of an event; undefined where it has none, such as a comment that keeps a connection alive. */
export function dataOf(event: string): string | undefined {
  const lines = event.split(/\r\n|\n|\r/).filter((line) => line.startsWith('data:'));
  return lines.length === 0 ? undefined : lines.map((line) => line.slice(5).replace(/^ /, '')).join('\n');
}
