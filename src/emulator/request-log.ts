import { redact } from '../secret/redact.ts';
import { Secret } from '../secret/secret.ts';

/** `control` manages keys, `data` serves models. */
export type EmulatedPlane = 'control' | 'data';

/** A request that came in. No field holds a credential in clear. */
export interface EmulatedRequest {
  readonly method: string;
  /**
   * The path without its query. What may be a credential in it is masked: the access token, what the
   * `Authorization` header held, everything that begins with `sk-`, and any unbroken run of 20 or more
   * characters. The emulator's own ids are shorter.
   */
  readonly path: string;
  /** Absent where the path belongs to neither plane. */
  readonly plane?: EmulatedPlane | undefined;
  /** The masked form of the credential in the `Authorization` header; absent where there was none. */
  readonly credential?: string | undefined;
  /** The HTTP status of the answer; absent until there is one, and for good where the client hung up first. */
  readonly status?: number | undefined;
  /** When the request came, by the emulator's clock. */
  readonly at: Date;
}

const CAPACITY = 1000;

/** The last requests, in the order of their arrival. */
export class RequestLog {
  readonly #accessToken: Secret;
  readonly #now: () => number;
  #entries: EmulatedRequest[] = [];

  constructor(accessToken: Secret, now: () => number) {
    this.#accessToken = accessToken;
    this.#now = now;
  }

  /** Notes a request that has just come in. The function that it returns adds the status of the answer. */
  open(request: Request): (status: number) => void {
    const { pathname } = new URL(request.url);
    // Whatever the scheme, or without one: what a client sent by mistake may be a credential too.
    const words = (request.headers.get('authorization') ?? '').split(/[\s,]+/).filter((word) => word !== '');
    const credential = words.at(-1);
    const plane = planeOf(pathname);
    const entry: { -readonly [Field in keyof EmulatedRequest]: EmulatedRequest[Field] } = {
      method: request.method,
      path: this.#clean(pathname, words),
      ...(plane === undefined ? {} : { plane }),
      ...(credential === undefined ? {} : { credential: new Secret(credential).masked }),
      at: new Date(this.#now()),
    };
    this.#entries.push(entry);
    if (this.#entries.length > CAPACITY) this.#entries.shift();
    return (status) => {
      entry.status = status;
    };
  }

  *entries(): Generator<EmulatedRequest, void, undefined> {
    for (const entry of [...this.#entries]) yield { ...entry, at: new Date(entry.at) };
  }

  clear(): void {
    this.#entries = [];
  }

  #clean(path: string, words: readonly string[]): string {
    // Shorter ones would also be found in the paths' own words: the key in /apikeys.
    const sent = words.filter((word) => word.length >= 8);
    return redact(path, [this.#accessToken, ...sent]).replace(
      /sk-[^/*]+|[^/*]{20,}/gi,
      (text) => new Secret(text).masked,
    );
  }
}

function planeOf(path: string): EmulatedPlane | undefined {
  if (path.startsWith('/apis/')) return 'control';
  return path.startsWith('/v1/') ? 'data' : undefined;
}
