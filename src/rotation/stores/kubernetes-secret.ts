import * as http from 'node:http';
import * as https from 'node:https';
import { text as readText } from 'node:stream/consumers';
import { KeyStoreError } from '../../errors/index.ts';
import { redact } from '../../secret/index.ts';

/** Entries of a Secret by their names, in clear. */
export type Entries = Readonly<Record<string, string>>;

/** A Secret as it was read. */
export interface SecretState {
  /** Names this state of the Secret, of all its entries together. */
  readonly resourceVersion: string;
  readonly entries: Entries;
}

/** How the API server is reached. */
export interface Access {
  readonly server: URL;
  readonly namespace: () => Promise<string>;
  readonly token: (() => Promise<string>) | undefined;
  /** PEM; the runtime's own where there are none. */
  readonly certificates: (() => Promise<string>) | undefined;
  readonly fetch: ((url: string, init: RequestInit) => Promise<Response>) | undefined;
  readonly timeoutMs: number;
}

interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH';
  readonly contentType?: string;
  readonly body?: unknown;
  /** What is stored or about to be, and must not be in an error. */
  readonly entries?: Entries;
}

interface ApiAnswer {
  readonly status: number;
  readonly text: string;
}

/** What the API server answers in place of what was asked for. */
interface Status {
  readonly kind: 'Status';
  readonly reason?: unknown;
  readonly message?: unknown;
}

const ADVICE: Readonly<Record<number, string>> = {
  401: 'the token is missing or not accepted',
  403: 'the role needs the verbs get and patch on this Secret, and create on secrets unless it was made beforehand',
};

/** Texts of others longer than this are cut, after they were redacted. */
const LONGEST_TEXT = 500;

/** One Secret of a cluster, over the API server. */
export class KubernetesSecret {
  readonly #name: string;
  readonly #access: Access;

  constructor(name: string, access: Access) {
    this.#name = name;
    this.#access = access;
  }

  /**
   * Null where there is none. Asked for without a `resourceVersion`, the API server gives the newest state.
   *
   * @param entries - What is about to be stored, and must not be in an error.
   */
  async read(entries: Entries = {}): Promise<SecretState | null> {
    const text = await this.#call({ method: 'GET', entries }, ['NotFound']);
    return text === null ? null : this.#parse('GET', text);
  }

  /** @returns false if there is one already. */
  create(entries: Entries): Promise<boolean> {
    const body = {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'Opaque',
      metadata: { name: this.#name },
      data: encode(entries),
    };
    return this.#write({ method: 'POST', contentType: 'application/json', body, entries }, ['AlreadyExists']);
  }

  /**
   * Sets entries and leaves the others alone, if the Secret is still in this state.
   *
   * @returns false if it is not, or is there no more.
   */
  patch(resourceVersion: string, entries: Entries): Promise<boolean> {
    // A resourceVersion in a patch is a condition, as it is in a whole object.
    const body = { metadata: { resourceVersion }, data: encode(entries) };
    const contentType = 'application/merge-patch+json';
    return this.#write({ method: 'PATCH', contentType, body, entries }, ['Conflict', 'NotFound']);
  }

  async #write(
    request: ApiRequest & { readonly entries: Entries },
    refusals: readonly string[],
  ): Promise<boolean> {
    const text = await this.#call(request, refusals);
    if (text === null) return false;
    const written = this.#parse(request.method, text).entries;
    if (Object.entries(request.entries).some(([name, value]) => written[name] !== value)) {
      throw this.#error(request.method, 'the answer does not have what was to be stored');
    }
    return true;
  }

  /**
   * One request and its answer.
   *
   * @param refusals - Reasons of the API server's that mean something to the caller.
   * @returns The body of a success, or null where it was refused for one of these reasons.
   */
  async #call(request: ApiRequest, refusals: readonly string[]): Promise<string | null> {
    const { server, timeoutMs } = this.#access;
    const { method, entries = {} } = request;
    const [url, token, ca] = await Promise.all([
      this.#urlFor(method),
      this.#access.token?.(),
      this.#access.certificates?.(),
    ]);
    const clean = (text: string): string => {
      const redacted = redact(text, [token ?? '', ...Object.values(entries)]);
      return redacted.length > LONGEST_TEXT ? `${redacted.slice(0, LONGEST_TEXT)}…` : redacted;
    };
    const signal = AbortSignal.timeout(timeoutMs);
    let answer: ApiAnswer;
    try {
      const sent = send(url, initOf(request, token, signal), ca, this.#access.fetch);
      answer = await Promise.race([sent, rejectionOf(signal)]);
    } catch (error) {
      if (signal.aborted) throw this.#error(method, `no answer within ${timeoutMs} ms`);
      throw this.#error(method, `the connection to ${server.host} failed: ${clean(innermostMessage(error))}`);
    }
    const { status, text } = answer;
    if (status >= 200 && status < 300) return text;
    const refusal = parseStatus(text);
    if (refusals.includes(String(refusal?.reason))) return null;
    const said = typeof refusal?.message === 'string' ? clean(refusal.message) : undefined;
    throw this.#error(method, [status, said, ADVICE[status]].filter(Boolean).join(', '), status);
  }

  async #urlFor(method: ApiRequest['method']): Promise<string> {
    const { server, namespace } = this.#access;
    const secrets = `${server.href.replace(/\/+$/, '')}/api/v1/namespaces/${await namespace()}/secrets`;
    return method === 'POST' ? secrets : `${secrets}/${this.#name}`;
  }

  #parse(method: ApiRequest['method'], text: string): SecretState {
    const { kind, metadata, data } = parseObject(text) ?? {};
    const { resourceVersion } = isObject(metadata) ? metadata : {};
    if (kind !== 'Secret' || typeof resourceVersion !== 'string' || resourceVersion === '') {
      throw this.#error(method, 'the answer is no Secret: is server right?');
    }
    return { resourceVersion, entries: decode(isObject(data) ? data : {}) };
  }

  #error(method: ApiRequest['method'], what: string, status?: number): KeyStoreError {
    return new KeyStoreError(`${method} of the Secret ${this.#name}: ${what}`, { status });
  }
}

function initOf({ method, contentType, body }: ApiRequest, token: string | undefined, signal: AbortSignal) {
  return {
    method,
    headers: {
      accept: 'application/json',
      ...(contentType !== undefined && { 'content-type': contentType }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal,
  };
}

async function send(
  url: string,
  init: ReturnType<typeof initOf>,
  ca: string | undefined,
  fetch: Access['fetch'],
): Promise<ApiAnswer> {
  if (fetch) {
    const response = await fetch(url, { ...init, redirect: 'manual' });
    return { status: response.status, text: await response.text() };
  }
  // Node's own fetch cannot be told whose certificates to trust.
  const { request } = url.startsWith('https:') ? https : http;
  return new Promise((resolve, reject) => {
    request(url, { ...init, ca }, (response) => {
      readText(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
    })
      .on('error', reject)
      .end(init.body);
  });
}

/** A promise that does what `fetch` may fail to do: it listens to the signal. */
function rejectionOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function encode(entries: Entries): Record<string, string> {
  return mapValues(entries, (value) => Buffer.from(value, 'utf8').toString('base64'));
}

function decode(data: Readonly<Record<string, unknown>>): Entries {
  return mapValues(data, (value) => Buffer.from(String(value), 'base64').toString('utf8'));
}

function mapValues<From, To>(
  values: Readonly<Record<string, From>>,
  map: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value)]));
}

function parseStatus(text: string): Status | undefined {
  const body = parseObject(text);
  return body?.kind === 'Status' ? (body as unknown as Status) : undefined;
}

/** What a body holds; its own error, which quotes it, is dropped. */
function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** fetch wraps the error of the connection, which says what happened. */
function innermostMessage(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof Error) return innermostMessage(cause);
  return error instanceof Error ? error.message : String(error);
}
