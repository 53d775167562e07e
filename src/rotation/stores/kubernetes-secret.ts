import * as http from 'node:http';
import * as https from 'node:https';
import { text as readText } from 'node:stream/consumers';
import { KeyStoreError } from '../../errors/index.ts';
import { readCauses } from '../../internal/cause.ts';
import { isRecord, parseJson } from '../../internal/json.ts';
import { redact } from '../../secret/index.ts';

/** Plain entries of a Secret by name. */
export type Entries = Readonly<Record<string, string>>;

/** A Secret as it was read. */
export interface SecretState {
  /** Identifies this state of all entries. */
  readonly resourceVersion: string;
  readonly entries: Entries;
}

/** How the API server is reached. */
export interface Access {
  readonly server: URL;
  readonly namespace: () => Promise<string>;
  readonly token: (() => Promise<string>) | undefined;
  /** PEM. Default: those of the runtime. */
  readonly certificates: (() => Promise<string>) | undefined;
  readonly fetch: ((url: string, init: RequestInit) => Promise<Response>) | undefined;
  readonly timeoutMs: number;
}

type Method = 'GET' | 'POST' | 'PATCH';

const CONTENT_TYPES = { POST: 'application/json', PATCH: 'application/merge-patch+json' } as const;

const ADVICE: Readonly<Record<number, string>> = {
  401: 'the token is missing or not accepted',
  403: 'the role needs the verbs get and patch on this Secret, and create on secrets unless it exists already',
};

/** Longer messages of others are cut. */
const MAX_LENGTH = 500;

/** One Secret of a cluster. */
export class KubernetesSecret {
  readonly #name: string;
  readonly #access: Access;

  constructor(name: string, access: Access) {
    this.#name = name;
    this.#access = access;
  }

  /**
   * Reads the newest state, or null if the Secret does not exist.
   *
   * @param entries - Entries that are about to be stored, and must not appear in an error.
   */
  async read(entries: Entries = {}): Promise<SecretState | null> {
    const text = await this.#request('GET', undefined, entries, ['NotFound']);
    return text === null ? null : this.#parse('GET', text);
  }

  /** Creates the Secret. @returns False if it exists already. */
  create(entries: Entries): Promise<boolean> {
    const head = { apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata: { name: this.#name } };
    return this.#write('POST', head, entries, ['AlreadyExists']);
  }

  /** Sets entries if the Secret still has this state, and keeps the others. @returns False if it has not. */
  patch(resourceVersion: string, entries: Entries): Promise<boolean> {
    return this.#write('PATCH', { metadata: { resourceVersion } }, entries, ['Conflict', 'NotFound']);
  }

  async #write(
    method: 'POST' | 'PATCH',
    head: object,
    entries: Entries,
    conflicts: readonly string[],
  ): Promise<boolean> {
    const data = mapValues(entries, (value) => Buffer.from(value, 'utf8').toString('base64'));
    const text = await this.#request(method, { ...head, data }, entries, conflicts);
    if (text === null) return false;
    const written = this.#parse(method, text).entries;
    if (Object.entries(entries).every(([name, value]) => written[name] === value)) return true;
    throw this.#error(method, 'the response does not contain what was stored');
  }

  /**
   * Sends one request.
   *
   * @param reasons - Reasons of a refusal that the caller expects.
   * @returns The body, or null after such a refusal.
   */
  async #request(
    method: Method,
    body: object | undefined,
    entries: Entries,
    reasons: readonly string[],
  ): Promise<string | null> {
    const { server, timeoutMs, fetch } = this.#access;
    const [namespace, token, ca] = await Promise.all([
      this.#access.namespace(),
      this.#access.token?.(),
      this.#access.certificates?.(),
    ]);
    const secrets = `${server.href.replace(/\/+$/, '')}/api/v1/namespaces/${namespace}/secrets`;
    const url = method === 'POST' ? secrets : `${secrets}/${this.#name}`;
    const clean = (message: string): string => {
      const redacted = redact(message, [token ?? '', ...Object.values(entries)]);
      return redacted.length > MAX_LENGTH ? `${redacted.slice(0, MAX_LENGTH)}…` : redacted;
    };
    const signal = AbortSignal.timeout(timeoutMs);
    const init = {
      method,
      headers: {
        accept: 'application/json',
        ...(method !== 'GET' && { 'content-type': CONTENT_TYPES[method] }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal,
    };
    let response: { readonly status: number; readonly text: string };
    try {
      // A `fetch` may ignore its signal.
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
      response = await Promise.race([fetch ? sendBy(fetch, url, init) : send(url, init, ca), aborted]);
    } catch (error) {
      if (signal.aborted) throw this.#error(method, `no response within ${timeoutMs} ms`);
      const message = clean(readCauses(error).at(-1)?.message ?? '');
      throw this.#error(method, `the connection to ${server.host} failed: ${message}`);
    }
    const { status, text } = response;
    if (status >= 200 && status < 300) return text;
    const refusal = parseJson(text);
    const isStatus = isRecord(refusal) && refusal.kind === 'Status';
    if (isStatus && reasons.includes(String(refusal.reason))) return null;
    const message = isStatus && typeof refusal.message === 'string' ? clean(refusal.message) : undefined;
    throw this.#error(method, [status, message, ADVICE[status]].filter(Boolean).join(', '), status);
  }

  #parse(method: Method, text: string): SecretState {
    const body = parseJson(text);
    const { kind, metadata, data } = isRecord(body) ? body : {};
    const { resourceVersion } = isRecord(metadata) ? metadata : {};
    if (kind !== 'Secret' || typeof resourceVersion !== 'string' || resourceVersion === '') {
      throw this.#error(method, 'the response is not a Secret: check `server`');
    }
    const decode = (value: unknown): string => Buffer.from(String(value), 'base64').toString('utf8');
    return { resourceVersion, entries: mapValues(isRecord(data) ? data : {}, decode) };
  }

  #error(method: Method, reason: string, status?: number): KeyStoreError {
    return new KeyStoreError(`${method} of the Secret ${this.#name}: ${reason}.`, { status });
  }
}

type Sent = Promise<{ readonly status: number; readonly text: string }>;

async function sendBy(fetch: NonNullable<Access['fetch']>, url: string, init: RequestInit): Sent {
  const response = await fetch(url, { ...init, redirect: 'manual' });
  return { status: response.status, text: await response.text() };
}

/** Node's `fetch` cannot be given certificates. Connections are not reused: the server may close an idle one at any time. */
function send(url: string, init: https.RequestOptions & { body?: string }, ca: string | undefined): Sent {
  const { request } = url.startsWith('https:') ? https : http;
  return new Promise((resolve, reject) => {
    request(url, { ...init, ca, agent: false }, (response) => {
      readText(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
    })
      .on('error', reject)
      .end(init.body);
  });
}

function mapValues<From, To>(values: Readonly<Record<string, From>>, map: (value: From) => To) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value)]));
}
