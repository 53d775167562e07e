import { redact } from '../secret/redact.ts';
import { Secret } from '../secret/secret.ts';
import { type EmulatedOperation, type EmulatedPlane, planeOf } from './operation.ts';

/** A request that the emulator received. No field contains a plain-text credential. */
export interface EmulatedRequest {
  readonly method: string;
  /**
   * The path without the query. Anything that may be a credential is masked: the access token, the value of the
   * `Authorization` header, anything that starts with `sk-`, and any sequence of 20 or more characters without a slash.
   * Ids created by the emulator are shorter and therefore not masked.
   */
  readonly path: string;
  /** The plane that the path belongs to; absent if the path belongs to neither. */
  readonly plane?: EmulatedPlane | undefined;
  /** The requested operation; absent if the emulator does not serve the path. */
  readonly operation?: EmulatedOperation | undefined;
  /** The credential in the `Authorization` header, masked. */
  readonly credential?: string | undefined;
  /** The id of the API key that authenticated the request. */
  readonly keyId?: string | undefined;
  /** The model in the request, truncated to 200 characters. */
  readonly model?: string | undefined;
  /** HTTP status of the response; absent until the status is known, or if the client disconnected first. */
  readonly status?: number | undefined;
  /** Why the request was rejected. */
  readonly reason?: string | undefined;
  /** When the request was received, according to the emulator's clock. */
  readonly at: Date;
  /** Milliseconds until the response ended or the client disconnected; absent while the request is in progress. */
  readonly durationMs?: number | undefined;
  /** Names of the fault fields that were applied, such as `delayMs`. */
  readonly faults?: readonly string[] | undefined;
  /** Position of the rule that provided the reply, starting at 1. */
  readonly rule?: number | undefined;
}

type Entry = { -readonly [Field in keyof EmulatedRequest]: EmulatedRequest[Field] };
type Details = Pick<Entry, 'operation' | 'keyId' | 'model' | 'status' | 'reason' | 'faults' | 'rule'>;

export type LoggedRequest = ReturnType<RequestLog['open']>;

interface LogSettings {
  readonly now: () => number;
  readonly onRequest?: ((request: EmulatedRequest) => void) | undefined;
}

const MAX_ENTRIES = 1000;

/** The most recent requests, in order of arrival. */
export class RequestLog {
  readonly #settings: LogSettings;
  readonly #token: Secret;
  #entries: Entry[] = [];

  constructor(settings: LogSettings, token: Secret) {
    this.#settings = settings;
    this.#token = token;
  }

  open({ method, url, headers }: Pick<Request, 'method' | 'url' | 'headers'>) {
    const { now, onRequest } = this.#settings;
    const { pathname } = new URL(url);
    // Ignore the scheme, because a client may use the wrong one or omit it by mistake.
    const words = (headers.get('authorization') ?? '').split(/[\s,]+/).filter((word) => word !== '');
    const credential = words.at(-1);
    const plane = planeOf(pathname);
    const startedAt = now();
    const entry: Entry = {
      method,
      path: this.#redact(pathname, words).replace(/[^/*]{20,}/g, (part) => new Secret(part).masked),
      ...(plane && { plane }),
      ...(credential !== undefined && { credential: new Secret(credential).masked }),
      at: new Date(startedAt),
    };
    this.#entries.push(entry);
    if (this.#entries.length > MAX_ENTRIES) this.#entries.shift();
    return {
      add: ({ reason, model, ...details }: Details): void => {
        Object.assign(entry, details);
        if (reason !== undefined) entry.reason = this.#redact(reason, words);
        if (model !== undefined) entry.model = this.#redact(model.slice(0, 200), words);
      },
      end: (): void => {
        entry.durationMs = now() - startedAt;
        try {
          onRequest?.(structuredClone(entry));
        } catch {
          // An error thrown by `onRequest` must not affect the request.
        }
      },
    };
  }

  /** Logs a request that was rejected before the emulator handled it. */
  reject(request: Pick<Request, 'method' | 'url' | 'headers'>, status: number, reason: string): void {
    const entry = this.open(request);
    entry.add({ status, reason });
    entry.end();
  }

  *entries(): Generator<EmulatedRequest, void, undefined> {
    for (const entry of [...this.#entries]) yield structuredClone(entry);
  }

  /** @param isSelected - Selects the keys whose requests are removed. Default: all requests. */
  clear(isSelected: (keyId: string | undefined) => boolean = () => true): void {
    this.#entries = this.#entries.filter(({ keyId }) => !isSelected(keyId));
  }

  #redact(text: string, words: readonly string[]): string {
    // Shorter words may occur in ordinary paths, such as `key` in `/apikeys`.
    const sent = words.filter((word) => word.length >= 8);
    return redact(text, [this.#token, ...sent]).replace(
      /sk-[^/*\s`"',;]+/gi,
      (match) => new Secret(match).masked,
    );
  }
}
