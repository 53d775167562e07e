/** A key as the page shows it. Never the whole one. */
export interface ListedKey {
  readonly id: string;
  readonly name: string;
  readonly maskedKey: string;
  readonly createdAt: Date;
  readonly state: 'active' | 'expired' | 'disabled';
}

export interface KeyList {
  readonly keys: readonly ListedKey[];
  /** How many there are, also where fewer were asked for. */
  readonly total: number;
}

export interface NewKey {
  readonly name: string;
  /** The whole key. */
  readonly key: string;
}

export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  readonly status?: number;
  readonly credential?: string;
  readonly at: string;
}

/** A call that did not do what it should; the message is for the person in front of the page. */
export class CallError extends Error {
  /** Undefined where no answer came. */
  readonly status: number | undefined;

  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: object;
  readonly signal?: AbortSignal;
}

/** An answer of the control plane, in which everything that is empty, zero or false is left out. */
interface Answer {
  readonly [field: string]: unknown;
}

const TIME_LIMIT_MS = 30_000;

/** The emulator behind the page. */
export class Service {
  readonly #askForToken: (wasRefused: boolean) => Promise<string>;
  #token: string | undefined;
  #signingIn: Promise<void> | undefined;
  #listPath = 'masked-apikeys';

  /** The function is asked where the emulator does not know the page by itself, until the token is the right one. */
  constructor(askForToken: (wasRefused: boolean) => Promise<string>) {
    this.#askForToken = askForToken;
  }

  /** The version of the service. */
  async version(): Promise<string> {
    const { version } = await this.#call({ method: 'GET', path: 'service' });
    // Versions before 0.17 have no masked list. The emulator masks what the plain one brings to the page.
    if (version === '0.15' || version === '0.16') this.#listPath = 'apikeys';
    return String(version);
  }

  async models(): Promise<readonly string[]> {
    const { models } = await this.#call({ method: 'GET', path: 'models' });
    return listOf(models).map(String);
  }

  /** The newest keys first, up to a number. */
  async list(search: string, count: number, signal: AbortSignal): Promise<KeyList> {
    const query = new URLSearchParams({ 'page.page': '1', 'page.pageSize': String(count) });
    if (search !== '') query.set('page.search', search);
    const { items, page } = await this.#call({ method: 'GET', path: `${this.#listPath}?${query}`, signal });
    const keys = listOf(items).map(listedKey);
    return { keys, total: Number(answerOf(page).total ?? keys.length) };
  }

  async create(name: string): Promise<NewKey> {
    const { key } = await this.#call({ method: 'POST', path: 'apikeys', body: { name } });
    if (typeof key !== 'string') throw new CallError('The emulator answered without the key.');
    return { name, key };
  }

  /** Why no further key may be created; undefined where one may. */
  async creationRefusal(): Promise<string | undefined> {
    const { allowed, reason } = await this.#call({
      method: 'POST',
      path: 'apikeys/check-creation',
      body: {},
    });
    return allowed === true ? undefined : String(reason ?? 'No further key is allowed');
  }

  /** Also succeeds where the key is gone already. */
  async delete(id: string): Promise<void> {
    const path = `apikeys/${encodeURIComponent(id)}`;
    try {
      await this.#call({ method: 'DELETE', path, body: {} });
    } catch (error) {
      if (!(error instanceof CallError && error.status === 404)) throw error;
    }
  }

  /** Newest first. */
  async requests(): Promise<{ readonly now: number; readonly requests: readonly LoggedRequest[] }> {
    const { now, requests } = await this.#call({ method: 'GET', path: 'requests' });
    return { now: Date.parse(String(now)), requests: listOf(requests) as readonly LoggedRequest[] };
  }

  async #call(call: Call): Promise<Answer> {
    const response = await this.#send(call);
    const answer: unknown = await response.json().catch(() => undefined);
    call.signal?.throwIfAborted();
    if (response.ok && isAnswer(answer)) return answer;
    const message = isAnswer(answer) && typeof answer.message === 'string' ? `: ${answer.message}` : '';
    throw new CallError(`The emulator answered ${response.status}${message}.`, response.status);
  }

  async #send(call: Call): Promise<Response> {
    for (;;) {
      const token = this.#token;
      const response = await send(call, token);
      if (response.status !== 401) return response;
      // Calls that are refused at the same time ask once, and one that comes back late uses what was said since.
      if (this.#token === token) {
        this.#signingIn ??= this.#askForToken(token !== undefined)
          .then((answer) => {
            this.#token = answer;
          })
          .finally(() => {
            this.#signingIn = undefined;
          });
      }
      await this.#signingIn;
    }
  }
}

async function send({ method, path, body, signal }: Call, token: string | undefined): Promise<Response> {
  const timeout = AbortSignal.timeout(TIME_LIMIT_MS);
  const headers: Record<string, string> = { 'Accept-Language': 'en', 'Content-Type': 'application/json' };
  if (token !== undefined) headers.Authorization = `Bearer ${token}`;
  try {
    return await fetch(`console/${path}`, {
      method,
      headers,
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      credentials: 'omit',
      // With a cache, the browser would hold a call back until one before it, to the same address, is answered.
      cache: 'no-store',
      redirect: 'error',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    signal?.throwIfAborted();
    throw new CallError('The emulator did not answer.');
  }
}

function listedKey(item: unknown): ListedKey {
  const { id, name, key, creationTimestamp, expired, disabled } = answerOf(item);
  return {
    id: String(id),
    name: String(name ?? ''),
    maskedKey: String(key ?? ''),
    createdAt: new Date(Date.parse(String(creationTimestamp)) || 0),
    state: disabled === true ? 'disabled' : expired === true ? 'expired' : 'active',
  };
}

function isAnswer(value: unknown): value is Answer {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function answerOf(value: unknown): Answer {
  return isAnswer(value) ? value : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
