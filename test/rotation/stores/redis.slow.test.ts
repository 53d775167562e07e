import { readFileSync } from 'node:fs';
import { ConfigurationError } from 'drun-sdk/errors';
import type { KeyStore } from 'drun-sdk/rotation';
import { type IoredisClient, type RedisStoreOptions, redisStore } from 'drun-sdk/rotation/redis';
import { Cluster, Redis } from 'ioredis';
import { createClient, createClientPool, createCluster } from 'redis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { rejection, rejectionOf, thrownBy } from '../../support/failures.ts';
import { type RedisServer, redisSkipNote, startRedis } from '../../support/redis.ts';
import { freePort } from '../../support/sockets.ts';
import { serverSetup } from './server-setup.ts';
import { newRing, testServerFailures, testStoreContract, updated } from './store-contract.ts';

const timeout = 60_000;

interface Client {
  readonly store: KeyStore;
  close(): Promise<unknown>;
}

/** Creates a client whose calls fail while the server is down, and that reconnects immediately. */
function ioredis(port: number, user: { username?: string; password?: string } = {}): Redis {
  const client = new Redis({
    host: '127.0.0.1',
    port,
    maxRetriesPerRequest: 1,
    retryStrategy: () => 10,
    ...user,
  });
  client.on('error', () => {});
  return client;
}

function nodeRedisOptions(port: number) {
  return { socket: { host: '127.0.0.1', port, reconnectStrategy: 10 }, disableOfflineQueue: true };
}

async function nodeRedis(port: number) {
  const client = createClient(nodeRedisOptions(port));
  client.on('error', () => {});
  return client.connect();
}

const clients: [name: string, connect: (port: number) => Promise<Client>][] = [
  [
    'ioredis',
    async (port) => {
      const client = ioredis(port);
      return { store: redisStore({ client, pollMs: 20 }), close: async () => client.disconnect() };
    },
  ],
  [
    'node-redis',
    async (port) => {
      const client = await nodeRedis(port);
      return { store: redisStore({ client, pollMs: 20 }), close: async () => client.destroy() };
    },
  ],
];

describe.skipIf(redisSkipNote)(`redisStore${redisSkipNote}`, () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  }, timeout);
  afterAll(() => server?.close(), timeout);

  describe.each(clients)('with %s', (_, connect) => {
    testStoreContract(async () => serverSetup(await startRedis(), connect, /HSET/), {
      runs: 60,
    });

    describe('during server failures', { timeout }, () => {
      testServerFailures(async () => serverSetup(await startRedis(), connect, /HSET/));
    });
  });

  test('shares records between both clients', { timeout }, async () => {
    const [first, second] = [ioredis(server.port), await nodeRedis(server.port)];
    onTestFinished(() => {
      first.disconnect();
      second.destroy();
    });
    const ring = newRing();

    const version = await updated(redisStore({ client: first }).compareAndSwap(ring, null, 'a record'));

    expect(await redisStore({ client: second }).get(ring)).toEqual({ value: 'a record', version });
  });

  test('works with a pool of node-redis', { timeout }, async () => {
    const pool = createClientPool(nodeRedisOptions(server.port));
    await pool.connect();
    onTestFinished(() => pool.destroy());
    const store = redisStore({ client: pool });
    const ring = newRing();

    await updated(store.compareAndSwap(ring, null, 'a record'));

    expect((await store.get(ring))?.value).toBe('a record');
  });

  describe('in a cluster', { timeout }, () => {
    let cluster: RedisServer;
    beforeAll(async () => {
      cluster = await startRedis([
        ...['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'],
        ...['--cluster-port', String(await freePort())],
      ]);
      const client = ioredis(cluster.port);
      await client.cluster('ADDSLOTSRANGE', 0, 16_383);
      await vi.waitFor(
        async () => expect(await client.cluster('INFO')).toContain('cluster_state:ok'),
        timeout,
      );
      client.disconnect();
    }, timeout);
    afterAll(() => cluster?.close());

    test.each<[string, () => Promise<Client>]>([
      [
        'ioredis',
        async () => {
          const client = new Cluster([{ host: '127.0.0.1', port: cluster.port }]);
          return { store: redisStore({ client }), close: async () => client.disconnect() };
        },
      ],
      [
        'node-redis',
        async () => {
          const client = createCluster({ rootNodes: [nodeRedisOptions(cluster.port)] });
          await client.connect();
          return { store: redisStore({ client }), close: async () => client.destroy() };
        },
      ],
    ])('distributes rings over hash slots, with %s', async (_, connect) => {
      const { store, close } = await connect();
      onTestFinished(async () => void (await close()));

      for (const ring of Array.from({ length: 10 }, newRing)) {
        const version = await updated(store.compareAndSwap(ring, null, 'a record'));
        expect(await store.get(ring)).toEqual({ value: 'a record', version });
      }
    });
  });

  test('stores a record in a key that contains the name of the ring and never expires', {
    timeout,
  }, async () => {
    const client = ioredis(server.port);
    onTestFinished(() => client.disconnect());
    const [ring, other] = [newRing(), newRing()];

    const version = await updated(redisStore({ client }).compareAndSwap(ring, null, 'a record'));
    await updated(redisStore({ client, keyPrefix: 'app:' }).compareAndSwap(other, null, 'a record'));

    expect(await client.hgetall(`drun:key-ring:{${ring}}`)).toEqual({ version, value: 'a record' });
    expect(await client.ttl(`drun:key-ring:{${ring}}`)).toBe(-1);
    expect(await client.exists(`app:{${other}}`)).toBe(1);
  });

  test('recognizes its own update if the client retries it', { timeout }, async () => {
    const client = ioredis(server.port);
    onTestFinished(() => client.disconnect());
    const twice: IoredisClient = {
      async eval(script, numberOfKeys, ...rest) {
        await client.eval(script, numberOfKeys, ...rest);
        return client.eval(script, numberOfKeys, ...rest);
      },
    };
    const repeatingClient = redisStore({ client: twice });
    const reader = redisStore({ client });
    const ring = newRing();

    const first = await updated(repeatingClient.compareAndSwap(ring, null, 'first'));
    const second = await updated(repeatingClient.compareAndSwap(ring, first, 'second'));

    expect(await reader.get(ring)).toEqual({ value: 'second', version: second });
    expect(await repeatingClient.compareAndSwap(ring, first, 'third')).toEqual({ ok: false });
  });

  test('loses records if a server without persistence is killed', { timeout }, async () => {
    const volatileServer = await startRedis(['--appendonly', 'no']);
    onTestFinished(() => volatileServer.close());
    const client = ioredis(volatileServer.port);
    onTestFinished(() => client.disconnect());
    const store = redisStore({ client });
    const ring = newRing();
    await updated(store.compareAndSwap(ring, null, 'a record'));

    await volatileServer.restart();

    await vi.waitFor(async () => expect(await store.get(ring)).toBeNull(), 20_000);
  });

  test('needs only the documented permissions', { timeout }, async () => {
    const docs = readFileSync(new URL('../../../docs/key-stores.md', import.meta.url), 'utf8');
    const [, rights = ''] = /\bACL\s+rules\s+`([^`]+)`/.exec(docs) ?? [];
    const owner = ioredis(server.port);
    onTestFinished(() => owner.disconnect());
    await owner.acl('SETUSER', 'checkout', 'on', '>password', ...rights.split(' '));
    const client = ioredis(server.port, { username: 'checkout', password: 'password' });
    onTestFinished(() => client.disconnect());
    const store = redisStore({ client });
    const ring = newRing();

    const version = await updated(store.compareAndSwap(ring, null, 'a record'));
    await updated(store.compareAndSwap(ring, version, 'another'));

    expect((await store.get(ring))?.value).toBe('another');
  });

  test('fails on a demoted primary instead of serving old records, and reconnects', { timeout }, async () => {
    const primary = await startRedis();
    const demoted = await startRedis();
    onTestFinished(() => Promise.all([primary.close(), demoted.close()]).then(() => {}));
    const admin = ioredis(demoted.port);
    const client = ioredis(demoted.port);
    onTestFinished(() => [admin, client].forEach((open) => void open.disconnect()));
    const store = redisStore({ client });
    const ring = newRing();
    await updated(store.compareAndSwap(ring, null, 'a record'));
    const reconnected = new Promise<void>((resolve) => client.once('reconnecting', () => resolve()));

    await admin.replicaof('127.0.0.1', primary.port);

    expect(String(await rejection(store.get(ring)))).toContain('READONLY');
    await reconnected;
    await admin.replicaof('NO', 'ONE');
    await vi.waitFor(async () => expect(await store.get(ring)).not.toBeUndefined(), 20_000);
  });

  test.each([
    ['allkeys-lru', '50mb', 1],
    ['allkeys-lru', '0', 0],
    ['noeviction', '50mb', 0],
    ['volatile-lru', '50mb', 0],
  ])(
    'reports the eviction policy %s with a limit of %s: %i errors',
    { timeout },
    async (policy, limit, errors) => {
      const limited = await startRedis(['--maxmemory-policy', policy, '--maxmemory', limit]);
      onTestFinished(() => limited.close());
      const client = ioredis(limited.port);
      onTestFinished(() => client.disconnect());

      expect(await redisStore({ client }).check?.()).toHaveLength(errors);
    },
  );

  test('passes on errors of the client', { timeout }, async () => {
    const client = ioredis(server.port);
    onTestFinished(() => client.disconnect());
    const ring = newRing();
    await client.set(`drun:key-ring:{${ring}}`, 'not a record');
    const store = redisStore({ client });

    expect(await rejection(store.get(ring))).toMatchObject({ name: 'ReplyError' });
    expect(await rejection(store.compareAndSwap(ring, null, 'a record'))).toMatchObject({
      name: 'ReplyError',
    });
  });
});

describe('redisStore, without a server', () => {
  test.each([null, 'OK', [1, 'a'], [Buffer.from('1'), Buffer.from('a')]])(
    'rejects a client that replies with %o',
    async (reply) => {
      const store = redisStore({ client: { eval: async () => reply } });

      expect((await rejectionOf(ConfigurationError, store.get('checkout'))).option).toBe('client');
    },
  );

  test.each<[string, unknown]>([
    ['client', undefined],
    ['client', null],
    ['client', {}],
    ['client', 'redis://127.0.0.1'],
    ['keyPrefix', 1],
    ['prefix', 'rings:'],
    ['pollMs', -1],
  ])('rejects the %s %o', (option, value) => {
    const options = { client: { eval: async () => [] }, [option]: value } as RedisStoreOptions;

    expect(thrownBy(ConfigurationError, () => redisStore(options)).option).toBe(option);
  });
});
