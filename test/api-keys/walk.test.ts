import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ApiKeys } from 'drun-sdk/api-keys';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sliceAcross } from '../../src/api-keys/walk.ts';
import { ContractServer, type ContractServerOptions } from '../support/contract-server.ts';
import { TOKEN } from '../support/credentials.ts';

type Order = NonNullable<ContractServerOptions['order']>;

const ORDERS: Order[] = ['newest first', 'oldest first', 'by id'];

/** A server whose clock goes on by a second with every request, and a client of it. */
function setUp(
  options: ContractServerOptions,
  beforeRequest: (server: ContractServer) => void,
  change: (answer: Response) => void = () => {},
) {
  let now = Date.parse('2026-03-01T08:00:00Z');
  const server = new ContractServer({ ...options, now: () => now });
  const keys = new ApiKeys({
    accessToken: TOKEN,
    fetch: async (input, init) => {
      beforeRequest(server);
      now += 1_000;
      const answer = await server.fetch(input, init);
      change(answer);
      return answer;
    },
  });
  return { server, keys };
}

/** Numbers that look random and are the same every time. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe('a walk over 10,000 keys, in pages of 100, while keys come and go', () => {
  const COUNT = 10_000;

  /** What changes between two requests. */
  type Churn = (server: ContractServer, next: (below: number) => number) => void;

  const churns: Record<string, Churn> = {
    'one goes and one comes, before every request': (server, next) => {
      remove(server, next);
      add(server, next);
    },
    'twenty go, before every request': (server, next) => {
      for (let number = 0; number < 20; number++) remove(server, next);
    },
    'twenty come, before every request': (server, next) => {
      for (let number = 0; number < 20; number++) add(server, next);
    },
    'one goes before one request, and one comes before the next': (server, next) => {
      if (server.requests.length % 2 === 0) remove(server, next);
      else add(server, next);
    },
    'thirty go before one request, and thirty come before the next': (server, next) => {
      for (let number = 0; number < 30; number++) {
        if (server.requests.length % 2 === 0) remove(server, next);
        else add(server, next);
      }
    },
  };

  /** Every second key stays for good; the id of one that comes is anywhere among the others. */
  const stays = (id: string): boolean => id.endsWith('-stays');

  function add(server: ContractServer, next: (below: number) => number): void {
    server.add({ id: `${String(next(1e9)).padStart(9, '0')}-comes` });
  }

  function remove(server: ContractServer, next: (below: number) => number): void {
    for (let tries = 0; tries < 20; tries++) {
      const key = server.keys[next(server.keys.length)];
      if (key && !stays(key.id)) {
        server.remove(key.id);
        return;
      }
    }
  }

  test.each(
    ORDERS.flatMap((order) => Object.entries(churns).map(([name, churn]) => ({ order, name, churn }))),
  )(
    'gives every key that is there all the time, and none twice: $order, $name',
    { timeout: 60_000 },
    ({ order, churn }) => walkWhile(order, churn),
  );

  test.each(ORDERS)(
    'gives them also where nothing shows that the list changes: %s',
    { timeout: 60_000 },
    (order) =>
      walkWhile(
        order,
        (server, next) => {
          remove(server, next);
          add(server, next);
        },
        (answer) => answer.headers.delete('date'),
      ),
  );

  async function walkWhile(order: Order, churn: Churn, change: (answer: Response) => void = () => {}) {
    const next = randomNumbers(4_711);
    const { server, keys } = setUp(
      { order, maxKeys: Number.POSITIVE_INFINITY },
      (one) => churn(one, next),
      change,
    );
    for (let number = 0; number < COUNT; number++) {
      const id = `${String(next(1e9)).padStart(9, '0')}-${number % 2 === 0 ? 'stays' : 'goes'}`;
      server.add({ id, createdAt: Date.parse('2026-01-01T00:00:00Z') });
    }
    const expected = new Set(server.keys.map(({ id }) => id).filter(stays));

    const walked: string[] = [];
    for await (const { id } of keys.list({ pageSize: 100 })) walked.push(id);

    expect(new Set(walked).size, 'none comes twice').toBe(walked.length);
    for (const id of walked) expected.delete(id);
    expect([...expected], 'none that stays is missed').toEqual([]);
    expect(server.requests.length).toBeLessThan(330);
    expect(server.violations).toEqual([]);
  }
});

describe('a walk over a few pages', () => {
  test.each(ORDERS)('asks for each of them once where nothing changes: %s', async (order) => {
    const { server, keys } = setUp({ order }, () => {});
    for (let number = 0; number < 40; number++) server.add({ createdAt: 1_000 * number + 1 });

    const walked = await Array.fromAsync(keys.list({ pageSize: 10 }));

    expect(walked).toHaveLength(40);
    expect(server.requests.map(({ query }) => query)).toEqual(
      ['1', '2', '3', '4'].map((page) => ({ 'page.page': page, 'page.pageSize': '10' })),
    );
  });

  test('gives every key that stays, whatever comes and goes, and none twice', {
    timeout: 60_000,
  }, async () => {
    const event = fc.record({
      /** Where, as a part of the list. */
      at: fc.double({ min: 0, max: 0.999, noNaN: true }),
      isDeletion: fc.boolean(),
    });
    const situation = fc.record({
      count: fc.integer({ min: 0, max: 60 }),
      pageSize: fc.integer({ min: 1, max: 12 }),
      order: fc.constantFrom(...ORDERS),
      /** What happens before each request. */
      events: fc.array(fc.array(event, { maxLength: 4 }), { maxLength: 30 }),
    });
    await fc.assert(
      fc.asyncProperty(situation, async ({ count, pageSize, order, events }) => {
        const gone = new Set<string>();
        const left = [...events];
        const { server, keys } = setUp({ order }, (one) => {
          for (const { at, isDeletion } of left.shift() ?? []) {
            const place = one.keys[Math.floor(at * one.keys.length)];
            if (!isDeletion) one.add({ id: `id-${at.toFixed(6)}-${one.keys.length}-${left.length}` });
            else if (place) {
              gone.add(place.id);
              one.remove(place.id);
            }
          }
        });
        for (let number = 0; number < count; number++) {
          server.add({ id: `id-${(number / count).toFixed(6)}-old`, createdAt: 1_000 * number + 1 });
        }
        const there = server.keys.map(({ id }) => id);

        const walked = (await Array.fromAsync(keys.list({ pageSize }))).map(({ id }) => id);

        expect(new Set(walked).size).toBe(walked.length);
        expect(there.filter((id) => !gone.has(id) && !walked.includes(id))).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });
});

describe('a page that overlaps', () => {
  test('begins before the place and brings something from there on', () => {
    fc.assert(
      fc.property(fc.nat(100_000), fc.integer({ min: 1, max: 500 }), (place, most) => {
        const { page, pageSize } = sliceAcross(place, Math.ceil(most / 10), most);
        const start = (page - 1) * pageSize;
        expect(page).toBeGreaterThanOrEqual(1);
        expect(start).toBeLessThanOrEqual(Math.max(0, place - 1));
        expect(start + pageSize).toBeGreaterThan(place);
      }),
    );
  });

  test.each([
    [100, 0.8],
    [20, 0.65],
  ])('of %i keys brings on average this part of them: %d', (most, part) => {
    let place = 0;
    let pages = 0;
    for (; place < 10_000; pages++) {
      const { page, pageSize } = sliceAcross(place, Math.ceil(most / 10), most);
      place = page * pageSize;
    }
    expect(place / pages / most).toBeGreaterThan(part);
  });

  test('is no larger than asked where pages are not tiny', () => {
    for (let place = 0; place < 10_000; place++) {
      expect(sliceAcross(place, 10, 100).pageSize).toBeLessThanOrEqual(100);
    }
  });
});

describe('a walk ends by itself', () => {
  const ids = ['a', 'b', 'c', 'd', 'e'];

  /** A server with pages of two that says what it likes of their number. */
  function counting(total: unknown, keepsToSizes = true): { keys: ApiKeys; requests: () => number } {
    let requests = 0;
    const keys = new ApiKeys({
      accessToken: TOKEN,
      fetch: async (input) => {
        if (++requests > 100) throw new Error('does not end');
        const query = new URL(input).searchParams;
        const size = keepsToSizes ? Number(query.get('page.pageSize') ?? 2) : 2;
        const page = Number(query.get('page.page'));
        const items = ids.slice(size * (page - 1), size * page).map((id) => ({ id }));
        return Response.json({ items, page: { page, pageSize: size, total } });
      },
    });
    return { keys, requests: () => requests };
  }

  const totals = [undefined, null, 0, -1, 1, 3, 5, 6, 1_000, '5', String(Number.MAX_SAFE_INTEGER)];

  test.each(totals.flatMap((total) => [true, false].map((keeps) => [total, keeps] as const)))(
    'where the service counts %j, and keeps to sizes: %j',
    async (total, keepsToSizes) => {
      const { keys, requests } = counting(total, keepsToSizes);

      const walked = await Array.fromAsync(keys.list({ pageSize: 2 }));

      expect(walked.map(({ id }) => id)).toEqual(ids);
      expect(requests()).toBeLessThanOrEqual(12);
    },
  );

  test('where every answer counts differently', async () => {
    let total = 100;
    const keys = new ApiKeys({
      accessToken: TOKEN,
      fetch: async (input) => {
        const page = Number(new URL(input).searchParams.get('page.page'));
        const items = ids.slice(2 * (page - 1), 2 * page).map((id) => ({ id }));
        return Response.json({ items, page: { total: total++ } });
      },
    });

    expect((await Array.fromAsync(keys.list({ pageSize: 2 }))).map(({ id }) => id)).toEqual(ids);
  });

  test('where a list is never in the same order', async () => {
    const next = randomNumbers(12);
    const many = Array.from({ length: 300 }, (_, number) => ({ id: `id-${number}` }));
    let requests = 0;
    const keys = new ApiKeys({
      accessToken: TOKEN,
      fetch: async (input) => {
        requests++;
        const query = new URL(input).searchParams;
        const size = Number(query.get('page.pageSize'));
        const start = size * (Number(query.get('page.page')) - 1);
        const mixed = many.toSorted(() => next(2) - 0.5);
        return Response.json({ items: mixed.slice(start, start + size), page: { total: 300 } });
      },
    });

    await Array.fromAsync(keys.list({ pageSize: 10 }));

    expect(requests).toBeLessThan(200);
  });
});

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

test('a walk keeps no keys but their ids', { timeout: 60_000 }, async () => {
  const references: WeakRef<object>[] = [];
  const keys = new ApiKeys({
    accessToken: TOKEN,
    fetch: async (input) => {
      const page = Number(new URL(input).searchParams.get('page.page'));
      const items = Array.from({ length: 100 }, (_, index) => ({ id: `id-${page}-${index}` }));
      return Response.json({ items });
    },
  });
  let count = 0;

  for await (const key of keys.list({ pageSize: 100 })) {
    if (count++ % 100 === 0) references.push(new WeakRef(key));
    if (count === 5_000) break;
  }

  // WeakRefs are kept to the end of the turn in which they were made.
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  const alive = references.filter((reference) => reference.deref() !== undefined);
  expect(references).toHaveLength(50);
  expect(alive.length).toBeLessThan(10);
});
