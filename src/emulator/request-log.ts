import { redact } from '../secret/redact.ts';
import { Secret } from '../secret/secret.ts';
import { type EmulatedOperation, type EmulatedPlane, planeOf } from './operation.ts';

/** A request that came in. No field holds a credential in clear. */
export interface EmulatedRequest {
  readonly method: string;
  /**
   * The path without its query. What may be a credential in it is masked: access tokens, what the
   * `Authorization` header held, everything that begins with `sk-`, and any unbroken run of 20 or more
   * characters. The emulator's own ids are shorter.
   */
  readonly path: string;
  /** Absent where the path belongs to neither plane. */
  readonly plane?: EmulatedPlane | undefined;
  /** Absent where nothing is served there. */
  readonly operation?: EmulatedOperation | undefined;
  /** The masked form of the credential in the `Authorization` header; absent where there was none. */
  readonly credential?: string | undefined;
  /** The HTTP status of the answer; absent until there is one, and for good where the client hung up first. */
  readonly status?: number | undefined;
  /** When the request came, by the emulator's clock. */
  readonly at: Date;
  /** How long it took until the end of its answer, or until nobody waited any more; absent until then. */
  readonly durationMs?: number | undefined;
  /** The fields of the faults that it met with; absent where there was none. */
  readonly faults?: readonly string[] | undefined;
}

/** A request that is under way, and what becomes known of it. */
export interface LoggedRequest {
  readonly identified: (operation: EmulatedOperation) => void;
  readonly faulty: (faults: readonly string[]) => void;
  readonly answered: (status: number) => void;
  readonly over: () => void;
}

interface LogSettings {
  readonly now: () => number;
  readonly onRequest: ((request: EmulatedRequest) => void) | undefined;
  /** The access tokens that there are. */
  readonly tokens: () => readonly Secret[];
}

type Entry = { -readonly [Field in keyof EmulatedRequest]: EmulatedRequest[Field] };

const CAPACITY = 1000;

/** The last requests, in the order of their arrival. */
export class RequestLog {
  readonly #settings: LogSettings;
  #entries: Entry[] = [];

  constructor(settings: LogSettings) {
    this.#settings = settings;
  }

  /** Notes a request that has just come in. */
  open({ method, url, headers }: Request): LoggedRequest {
    const { now, onRequest } = this.#settings;
    const { pathname } = new URL(url);
    // Whatever the scheme, or without one: what a client sent by mistake may be a credential too.
    const words = (headers.get('authorization') ?? '').split(/[\s,]+/).filter((word) => word !== '');
    const credential = words.at(-1);
    const plane = planeOf(pathname);
    const startedAt = now();
    const entry: Entry = {
      method,
      path: this.#clean(pathname, words),
      ...(plane === undefined ? {} : { plane }),
      ...(credential === undefined ? {} : { credential: new Secret(credential).masked }),
      at: new Date(startedAt),
    };
    this.#entries.push(entry);
    if (this.#entries.length > CAPACITY) this.#entries.shift();
    return {
      identified(operation) {
        entry.operation = operation;
      },
      faulty(faults) {
        entry.faults = faults;
      },
      answered(status) {
        entry.status = status;
      },
      over() {
        entry.durationMs = now() - startedAt;
        try {
          onRequest?.(copyOf(entry));
        } catch {
          // The call goes on.
        }
      },
    };
  }

  *entries(): Generator<EmulatedRequest, void, undefined> {
    for (const entry of [...this.#entries]) yield copyOf(entry);
  }

  clear(): void {
    this.#entries = [];
  }

  #clean(path: string, words: readonly string[]): string {
    // Shorter ones would also be found in the paths' own words: the key in /apikeys.
    const sent = words.filter((word) => word.length >= 8);
    return redact(path, [...this.#settings.tokens(), ...sent]).replace(
      /sk-[^/*]+|[^/*]{20,}/gi,
      (text) => new Secret(text).masked,
    );
  }
}

function copyOf(entry: Entry): EmulatedRequest {
  const { at, faults } = entry;
  return { ...entry, at: new Date(at), ...(faults && { faults: [...faults] }) };
}
