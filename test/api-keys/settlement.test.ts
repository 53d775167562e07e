import {
  ApiKeys,
  type ApiKeysOptions,
  ConnectionError,
  type CreatedApiKey,
  InvalidResponseError,
  TimeoutError,
  UnknownOutcomeError,
  WorkspaceApiKeys,
} from 'drun-sdk';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ContractServer, type ContractServerOptions, type StoredKey } from '../support/contract-server.ts';
import { TOKEN } from '../support/credentials.ts';
import { everythingShownOf } from '../support/failures.ts';
import { html } from '../support/network.ts';

const HOUR_MS = 3_600_000;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2026-03-01T08:00:00.400Z') });
});
afterEach(() => {
  vi.useRealTimers();
});

type Fetch = (input: string, init: RequestInit) => Promise<Response>;

/** A server whose clock is three hours ahead of the caller's. */
function serve(options: ContractServerOptions = {}): ContractServer {
  return new ContractServer({ now: () => Date.now() + 3 * HOUR_MS, ...options });
}

/** What becomes of a create on its way. Everything else gets through. */
type Fate =
  | 'answered'
  | 'carried out, and answered slowly'
  | 'lost before it arrived'
  | 'lost after it was carried out'
  | 'lost, and carried out later'
  | 'lost, and carried out twice'
  | 'carried out, and answered with a page'
  | 'carried out, and not answered';

const LATER_MS = 1_700;
const SLOWLY_MS = 3_500;
const PATIENCE_MS = 4_000;

/** A way to the server on which creates meet their fates, one after the other; the last of them for good. */
class Way {
  /** What came of the creates of this way. */
  readonly made: StoredKey[] = [];
  readonly #server: ContractServer;
  readonly #fates: Fate[];

  constructor(server: ContractServer, ...fates: Fate[]) {
    this.#server = server;
    this.#fates = fates;
  }

  readonly fetch: Fetch = async (input, init) => {
    if (init.method !== 'POST' || !input.endsWith('/apikeys')) return this.#server.fetch(input, init);
    const [fate = 'answered'] = this.#fates.length > 1 ? this.#fates.splice(0, 1) : this.#fates;
    switch (fate) {
      case 'answered':
        return this.#carryOut(input, init);
      case 'carried out, and answered slowly': {
        const answer = await this.#carryOut(input, init);
        await new Promise((resolve) => setTimeout(resolve, SLOWLY_MS));
        return answer;
      }
      case 'lost before it arrived':
        throw reset();
      case 'lost after it was carried out':
        await this.#carryOut(input, init);
        throw reset();
      case 'lost, and carried out later': {
        const { signal: _, ...rest } = init;
        setTimeout(() => void this.#carryOut(input, rest), LATER_MS);
        throw reset();
      }
      case 'lost, and carried out twice':
        await this.#carryOut(input, init);
        await this.#carryOut(input, init);
        throw reset();
      case 'carried out, and answered with a page':
        await this.#carryOut(input, init);
        return html();
      case 'carried out, and not answered':
        await this.#carryOut(input, init);
        return new Promise((_, reject) => {
          init.signal?.addEventListener('abort', () => reject(init.signal?.reason));
        });
    }
  };

  async #carryOut(input: string, init: RequestInit): Promise<Response> {
    const answer = await this.#server.fetch(input, init);
    const { id } = (await answer.clone().json()) as { id: string };
    const made = this.#server.keys.find((key) => key.id === id);
    if (made) this.made.push(made);
    return answer;
  }
}

function reset(): Error {
  return Object.assign(new TypeError('fetch failed'), {
    cause: Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }),
  });
}

function clientOn(way: { readonly fetch: Fetch }, options: ApiKeysOptions = {}): ApiKeys {
  return new ApiKeys({ accessToken: TOKEN, timeoutMs: PATIENCE_MS, fetch: way.fetch, ...options });
}

/** Lets time pass until a promise is settled. */
async function outcomeOf<Value>(promise: Promise<Value>): Promise<PromiseSettledResult<Value>> {
  let outcome: PromiseSettledResult<Value> | undefined;
  void Promise.allSettled([promise]).then(([settled]) => {
    outcome = settled;
  });
  while (outcome === undefined) await vi.advanceTimersByTimeAsync(100);
  return outcome;
}

async function resultOf<Value>(promise: Promise<Value>): Promise<Value> {
  const outcome = await outcomeOf(promise);
  if (outcome.status === 'rejected') throw outcome.reason;
  return outcome.value;
}

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await outcomeOf(promise);
  if (outcome.status === 'fulfilled') throw new Error('expected a rejection');
  return outcome.reason;
}

async function unknownOutcomeOf(promise: Promise<unknown>): Promise<UnknownOutcomeError> {
  const error = await errorOf(promise);
  expect(error).toBeInstanceOf(UnknownOutcomeError);
  return error as UnknownOutcomeError;
}

describe('a create whose answer was lost', () => {
  test.each<Fate>([
    'lost after it was carried out',
    'lost, and carried out later',
    'carried out, and answered with a page',
    'carried out, and not answered',
  ])('gives the key that it made: %s', async (fate) => {
    const server = serve();
    const way = new Way(server, fate);

    const created = await resultOf(clientOn(way).create({ name: 'checkout' }));

    expect(created.id).toBe(way.made[0]?.id);
    expect(created.secret.reveal()).toBe(way.made[0]?.key);
    expect(created).toMatchObject({ name: 'checkout', maskedKey: created.secret.masked });
    expect(server.operations.filter((name) => name === 'create')).toHaveLength(1);
  });

  test.each([
    ['looks for the key among those of its name', 'checkout'],
    ['reads the whole list where a search may take signs of the name for its own', 'a "b" c:d*'],
  ])('%s', async (_, name) => {
    const server = serve();
    server.add({ name: `${name}-2` });

    await resultOf(clientOn(new Way(server, 'lost after it was carried out')).create({ name }));

    const searches = server.requests.filter(({ operation }) => operation === 'masked list');
    const asked = name === 'checkout' ? name : undefined;
    expect(new Set(searches.map(({ query }) => query['page.search']))).toEqual(new Set([asked]));
    expect(server.violations).toEqual([]);
  });

  test('gives the response in which the key was shown', async () => {
    const way = new Way(serve(), 'lost after it was carried out');

    const { data, response } = await resultOf(clientOn(way).create({ name: 'checkout' }).withResponse());

    expect(data.id).toBe(way.made[0]?.id);
    expect(response.status).toBe(200);
  });

  test('is an UnknownOutcomeError where no key came of it, with the loss as its cause', async () => {
    const error = await unknownOutcomeOf(
      clientOn(new Way(serve(), 'lost before it arrived')).create({ name: 'checkout' }),
    );

    expect(error.candidates).toEqual([]);
    expect(error.cause).toBeInstanceOf(ConnectionError);
    expect(error.message).toContain('ECONNRESET');
  });

  test.each<[Fate, unknown]>([
    ['carried out, and answered with a page', InvalidResponseError],
    ['carried out, and not answered', TimeoutError],
  ])('names the key on a server that shows none again: %s', async (fate, cause) => {
    const way = new Way(serve({ version: '0.15' }), fate);

    const error = await unknownOutcomeOf(clientOn(way).create({ name: 'checkout' }));

    expect(error.candidates).toEqual([way.made[0]?.id]);
    expect(error.cause).toBeInstanceOf(cause);
    expect(everythingShownOf(error)).not.toContain(way.made[0]?.key);
  });

  test('names both keys that a proxy made of one request', async () => {
    const way = new Way(serve(), 'lost, and carried out twice');

    const error = await unknownOutcomeOf(clientOn(way).create({ name: 'checkout' }));

    expect([...error.candidates].sort()).toEqual(way.made.map(({ id }) => id));
  });

  test.each([
    ['an hour', HOUR_MS],
    ['three seconds', 3_000],
  ])('takes no key of its name that was made %s before', async (_, age) => {
    const server = serve();
    server.add({ name: 'checkout', createdAt: Date.now() + 3 * HOUR_MS - age });

    const error = await unknownOutcomeOf(
      clientOn(new Way(server, 'lost before it arrived')).create({ name: 'checkout' }),
    );

    expect(error.candidates).toEqual([]);
  });

  test('takes no key that was made in the second before, and names it', async () => {
    const server = serve({ wholeSeconds: false });
    const other = server.add({ name: 'checkout', createdAt: Date.now() + 3 * HOUR_MS - 900 });

    const error = await unknownOutcomeOf(
      clientOn(new Way(server, 'lost before it arrived')).create({ name: 'checkout' }),
    );

    expect(error.candidates).toEqual([other.id]);
  });

  test('takes its key although an older one has the same name', async () => {
    const server = serve();
    server.add({ name: 'checkout', createdAt: Date.now() });
    const way = new Way(server, 'lost after it was carried out');

    expect((await resultOf(clientOn(way).create({ name: 'checkout' }))).id).toBe(way.made[0]?.id);
  });

  test('takes its key where the service gives the year 1970 for a use that never was', async () => {
    const way = new Way(serve(), 'lost after it was carried out');
    const fetch: Fetch = async (url, init) => {
      const answer = await way.fetch(url, init);
      if (!url.includes('/masked-apikeys')) return answer;
      const page = (await answer.json()) as { readonly items?: readonly object[] };
      const items = page.items?.map((item) => ({ ...item, lastUsedTime: '1970-01-01T00:00:00Z' }));
      return Response.json({ ...page, items }, { headers: answer.headers });
    };

    expect((await resultOf(clientOn({ fetch }).create({ name: 'checkout' }))).id).toBe(way.made[0]?.id);
  });

  test.each<[string, Partial<StoredKey>]>([
    ['has been used, for nobody holds the one that is looked for', { lastUsedAt: Date.now() }],
    ['has a name that only looks like it', { name: 'checkout ' }],
    ['expires at another time', { expireTime: '2027-06-01T00:00:00Z' }],
    ['does not expire', { expireTime: undefined }],
  ])('does not take or name a key that %s', async (_, fields) => {
    const server = serve();
    const expiresAt = new Date('2027-01-01T00:00:00Z');
    server.add({ name: 'checkout', expireTime: expiresAt.toISOString(), ...fields });

    const error = await unknownOutcomeOf(
      clientOn(new Way(server, 'lost before it arrived')).create({ name: 'checkout', expiresAt }),
    );

    expect(error.candidates).toEqual([]);
  });

  test('names a key that expires although that was not asked for, and does not take it', async () => {
    const server = serve();
    const other = server.add({ name: 'checkout', expireTime: '2027-01-01T00:00:00Z' });

    const error = await unknownOutcomeOf(
      clientOn(new Way(server, 'lost before it arrived')).create({ name: 'checkout' }),
    );

    expect(error.candidates).toEqual([other.id]);
  });

  test('takes no key where the service does not tell its time, and names those that may be it', async () => {
    const way = new Way(serve(), 'lost after it was carried out');
    const fetch: Fetch = async (input, init) => {
      const answer = await way.fetch(input, init);
      answer.headers.delete('date');
      return answer;
    };

    const error = await unknownOutcomeOf(clientOn({ fetch }).create({ name: 'checkout' }));

    expect(error.candidates).toEqual([way.made[0]?.id]);
  });

  test('takes its key at the second look where the first one failed', async () => {
    const way = new Way(serve(), 'lost after it was carried out');
    let lists = 0;
    const fetch: Fetch = async (input, init) =>
      input.includes('masked-apikeys') && ++lists === 1 ? html(503) : way.fetch(input, init);

    const created = await resultOf(clientOn({ fetch }, { maxRetries: 0 }).create({ name: 'checkout' }));

    expect(created.id).toBe(way.made[0]?.id);
  });

  test.each(['masked-apikeys', '/secret'])(
    'is an UnknownOutcomeError where %s answers nothing, after 10 s at most',
    async (path) => {
      const way = new Way(serve(), 'lost after it was carried out');
      const fetch: Fetch = async (input, init) =>
        input.includes(path) ? new Promise(() => {}) : way.fetch(input, init);
      const started = Date.now();

      const error = await unknownOutcomeOf(clientOn({ fetch }).create({ name: 'checkout' }));

      expect(error.candidates).toEqual(path === '/secret' ? [way.made[0]?.id] : []);
      expect(Date.now() - started).toBeLessThan(10_500);
    },
  );

  test('is told at once where it is not to be settled', async () => {
    const server = serve();
    const way = new Way(server, 'lost after it was carried out');
    const started = Date.now();

    const error = await unknownOutcomeOf(
      clientOn(way).create({ name: 'checkout' }, { settle: false, maxRetries: 0 }),
    );

    expect(error.candidates).toEqual([]);
    expect(server.operations).toEqual(['create']);
    expect(Date.now() - started).toBeLessThan(200);
  });

  test("rejects with the signal's own reason when it is aborted while it is settled", async () => {
    const controller = new AbortController();
    const reason = new Error('not any more');
    setTimeout(() => controller.abort(reason), 500);
    const way = new Way(serve(), 'lost after it was carried out');

    expect(await errorOf(clientOn(way).create({ name: 'checkout' }, { signal: controller.signal }))).toBe(
      reason,
    );
  });

  test('shows its key in no error', async () => {
    const way = new Way(serve({ version: '0.15' }), 'lost after it was carried out');

    const error = await unknownOutcomeOf(clientOn(way).create({ name: 'checkout' }));

    expect(everythingShownOf(error)).not.toContain(way.made[0]?.key);
    expect(everythingShownOf(error)).not.toContain(TOKEN);
  });
});

describe('a create that was answered without the whole key', () => {
  const keyless =
    (server: ContractServer): Fetch =>
    async (input, init) => {
      const answer = await server.fetch(input, init);
      if (init.method !== 'POST') return answer;
      return Response.json({ ...((await answer.json()) as object), key: 'sk-******7ucU' });
    };

  test('has the key shown again at once, for its id is known', async () => {
    const server = serve();

    const created = await resultOf(clientOn({ fetch: keyless(server) }).create({ name: 'checkout' }));

    expect(created.secret.reveal()).toBe(server.keys[0]?.key);
    expect(server.operations).toEqual(['create', 'secret']);
  });

  test('is an UnknownOutcomeError with that id on a server that shows none again', async () => {
    const server = serve({ version: '0.15' });

    const error = await unknownOutcomeOf(clientOn({ fetch: keyless(server) }).create({ name: 'checkout' }));

    expect(error.candidates).toEqual([server.keys[0]?.id]);
    expect(error.cause).toBeInstanceOf(InvalidResponseError);
  });

  test('names that id also where it is not to be settled', async () => {
    const server = serve();

    const error = await unknownOutcomeOf(
      clientOn({ fetch: keyless(server) }).create({ name: 'checkout' }, { settle: false }),
    );

    expect(error.candidates).toEqual([server.keys[0]?.id]);
  });
});

describe('a create of which nothing can have come', () => {
  test('stays a ConnectionError where no connection was opened', async () => {
    const server = serve();
    const fetch: Fetch = async () => {
      throw Object.assign(new TypeError('fetch failed'), { cause: { code: 'ECONNREFUSED', message: 'no' } });
    };

    expect(await errorOf(clientOn({ fetch }).create({ name: 'checkout' }))).toBeInstanceOf(ConnectionError);
    expect(server.requests).toEqual([]);
  });

  test('stays a TimeoutError where its access token was rejected, and the time was over without another one', async () => {
    const fetch = vi.fn(async () => Response.json({ id: 'x' }, { status: 401 }));
    const accessToken = ({ rejected }: { rejected?: unknown }): string | Promise<string> =>
      rejected ? new Promise<string>(() => {}) : TOKEN;
    const keys = clientOn({ fetch }, { accessToken });

    expect(await errorOf(keys.create({ name: 'checkout' }))).toBeInstanceOf(TimeoutError);
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  test('stays a TimeoutError where the time was over before it was sent', async () => {
    const server = serve();
    const keys = clientOn(server, { accessToken: () => new Promise(() => {}) });

    expect(await errorOf(keys.create({ name: 'checkout' }))).toBeInstanceOf(TimeoutError);
    expect(server.requests).toEqual([]);
  });
});

describe('two creates of one name', () => {
  const both = (server: ContractServer, ...fates: [Fate, Fate]) => {
    const ways = fates.map((fate) => new Way(server, fate)) as [Way, Way];
    const [a, b] = ways;
    return { a, b, clients: [clientOn(a), clientOn(b)] as const };
  };

  test('at once, both lost: neither takes the one key that came of them, both name it', async () => {
    const { a, clients } = both(serve(), 'lost after it was carried out', 'lost before it arrived');

    const errors = await Promise.all(
      clients.map((keys) => unknownOutcomeOf(keys.create({ name: 'checkout' }))),
    );

    const id = a.made[0]?.id;
    expect(errors.map(({ candidates }) => candidates)).toEqual([[id], [id]]);
  });

  test('at once, both lost and carried out: both name both keys', async () => {
    const fate = 'lost after it was carried out';
    const { a, b, clients } = both(serve(), fate, fate);

    const errors = await Promise.all(
      clients.map((keys) => unknownOutcomeOf(keys.create({ name: 'checkout' }))),
    );

    const ids = [...a.made, ...b.made].map(({ id }) => id).sort();
    for (const { candidates } of errors) expect([...candidates].sort()).toEqual(ids);
  });

  test('at once, with different times of expiry, each take their own', async () => {
    const fate = 'lost after it was carried out';
    const { a, b, clients } = both(serve(), fate, fate);
    const inputs = [new Date('2027-01-01'), new Date('2027-01-02')].map((expiresAt) => ({
      name: 'checkout',
      expiresAt,
    }));

    const created = await Promise.all(
      inputs.map((input, index) => resultOf((clients[index] as ApiKeys).create(input))),
    );

    expect(created.map(({ id }) => id)).toEqual([a.made[0]?.id, b.made[0]?.id]);
  });

  test('at once, one of them answered: the other one takes its own', async () => {
    const { a, b, clients } = both(serve(), 'lost after it was carried out', 'answered');

    const created = await Promise.all(clients.map((keys) => resultOf(keys.create({ name: 'checkout' }))));

    expect(created.map(({ id }) => id)).toEqual([a.made[0]?.id, b.made[0]?.id]);
  });

  test('at once, one of them answered slowly: the other one, lost, does not name its key', async () => {
    const { clients } = both(serve(), 'carried out, and answered slowly', 'lost before it arrived');

    const [, error] = await Promise.all([
      resultOf(clients[0].create({ name: 'checkout' })),
      unknownOutcomeOf(clients[1].create({ name: 'checkout' })),
    ]);

    expect(error.candidates).toEqual([]);
  });

  test('of one client, one after the other: the second one, lost, does not take the key of the first', async () => {
    const server = serve();
    const keys = clientOn(new Way(server, 'answered', 'lost before it arrived'));
    await resultOf(keys.create({ name: 'checkout' }));

    expect((await unknownOutcomeOf(keys.create({ name: 'checkout' }))).candidates).toEqual([]);
  });

  test('of one client, one after the other, both lost: a key that came late is named, not taken', async () => {
    const way = new Way(serve(), 'lost before it arrived', 'lost after it was carried out');
    const keys = clientOn(way);
    await unknownOutcomeOf(keys.create({ name: 'checkout' }));

    const error = await unknownOutcomeOf(keys.create({ name: 'checkout' }));

    expect(error.candidates).toEqual([way.made[0]?.id]);
  });

  test('of one client: a minute after one was lost, the next one is settled again', async () => {
    const way = new Way(serve(), 'lost before it arrived', 'lost after it was carried out');
    const keys = clientOn(way);
    await unknownOutcomeOf(keys.create({ name: 'checkout' }));
    await vi.advanceTimersByTimeAsync(60_000);

    expect((await resultOf(keys.create({ name: 'checkout' }))).id).toBe(way.made[0]?.id);
  });
});

describe('a lost create in a workspace', () => {
  const workspaceOn = (way: Way): WorkspaceApiKeys =>
    new WorkspaceApiKeys({ accessToken: TOKEN, workspace: 12, fetch: way.fetch });

  test('is settled', async () => {
    const way = new Way(serve(), 'lost after it was carried out');

    const created = await resultOf(workspaceOn(way).create({ name: 'checkout', quota: 500 }));

    expect(created).toMatchObject({ id: way.made[0]?.id, quota: { limit: 500 } });
    expect(created.secret.reveal()).toBe(way.made[0]?.key);
  });

  test("does not take a colleague's key, nor name it", async () => {
    const server = serve();
    server.add({ scope: 12, name: 'checkout', owner: 'colleague' });

    const error = await unknownOutcomeOf(
      workspaceOn(new Way(server, 'lost before it arrived')).create({ name: 'checkout' }),
    );

    expect(error.candidates).toEqual([]);
  });

  test('does not take a key with another quota', async () => {
    const server = serve();
    server.add({ scope: 12, name: 'checkout', quota: 400n });

    const error = await unknownOutcomeOf(
      workspaceOn(new Way(server, 'lost before it arrived')).create({ name: 'checkout', quota: 500 }),
    );

    expect(error.candidates).toEqual([]);
  });
});

describe('whatever happens to creates of one name', () => {
  const fates: Fate[] = [
    'answered',
    'carried out, and answered slowly',
    'lost before it arrived',
    'lost after it was carried out',
    'lost, and carried out later',
    'lost, and carried out twice',
    'carried out, and answered with a page',
    'carried out, and not answered',
  ];

  const caller = fc.record({
    /** One after the other. */
    fates: fc.array(fc.constantFrom(...fates), { minLength: 1, maxLength: 3 }),
    startsAfterMs: fc.constantFrom(0, 300, 1_000, 3_500, 9_000),
  });

  const situation = fc.record({
    callers: fc.array(caller, { minLength: 1, maxLength: 2 }),
    version: fc.constantFrom('0.15', '0.17'),
    wholeSeconds: fc.boolean(),
    skewMs: fc.constantFrom(0, -5 * HOUR_MS, 5 * HOUR_MS),
    isOneClient: fc.boolean(),
  } as const);

  /** One create: when it was, what its caller got, and the keys that had come of it when it was over. */
  interface Call {
    readonly client: ApiKeys;
    readonly begunAt: number;
    readonly endedAt: number;
    readonly outcome: PromiseSettledResult<CreatedApiKey>;
    readonly made: readonly StoredKey[];
  }

  /** A client knows nothing of what another one did before; the times of keys and answers leave a second of doubt. */
  const isInDoubt = (call: Call, calls: readonly Call[]): boolean =>
    calls.some(
      ({ client, endedAt }) =>
        client !== call.client && endedAt <= call.begunAt && call.begunAt - endedAt < 3_000,
    );

  test('no key is taken twice or by another caller, and every other one is named', {
    timeout: 60_000,
  }, async () => {
    let settled = 0;
    await fc.assert(
      fc.asyncProperty(situation, async ({ callers, version, wholeSeconds, skewMs, isOneClient }) => {
        const now = (): number => Date.now() + skewMs;
        const server = new ContractServer({ version, wholeSeconds, maxKeys: 100, now });
        const shared = clientOn({
          fetch: (input, init) => {
            const number = Number(new Headers(init.headers).get('x-caller'));
            return (ways[number] as Way).fetch(input, init);
          },
        });
        const ways = callers.map(({ fates }) => new Way(server, ...fates));
        const calls: Call[] = [];
        const work = callers.map(async ({ fates, startsAfterMs }, index) => {
          const way = ways[index] as Way;
          const client = isOneClient ? shared : clientOn(way);
          await new Promise((resolve) => setTimeout(resolve, startsAfterMs));
          for (const _ of fates) {
            const before = way.made.length;
            const begunAt = Date.now();
            const [outcome] = await Promise.allSettled([
              client.create({ name: 'checkout' }, { headers: { 'x-caller': String(index) } }),
            ]);
            calls.push({ client, begunAt, endedAt: Date.now(), outcome, made: way.made.slice(before) });
          }
        });

        await outcomeOf(Promise.all(work));

        const certain = calls.filter((call) => !isInDoubt(call, calls));
        const taken = certain.flatMap(({ outcome }) =>
          outcome.status === 'fulfilled' ? [outcome.value] : [],
        );
        expect(new Set(taken.map(({ id }) => id)).size, 'no key is taken twice').toBe(taken.length);
        for (const { outcome, made } of certain) {
          if (outcome.status === 'fulfilled') {
            expect(made.map(({ key }) => key)).toContain(outcome.value.secret.reveal());
            if (server.operations.includes('secret')) settled++;
            continue;
          }
          expect(outcome.reason).toBeInstanceOf(UnknownOutcomeError);
          const { candidates } = outcome.reason as UnknownOutcomeError;
          for (const { id } of made) expect(candidates).toContain(id);
          expect(candidates.filter((id) => taken.some((key) => key.id === id))).toEqual([]);
        }
        expect(server.violations).toEqual([]);
      }),
      { numRuns: 300 },
    );
    expect(settled, 'creates that were settled among them').toBeGreaterThan(20);
  });
});
