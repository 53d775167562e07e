import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, KeyStoreError } from 'drun-sdk/errors';
import type { KeyStore } from 'drun-sdk/rotation';
import { type KubernetesSecretStoreOptions, kubernetesSecretStore } from 'drun-sdk/rotation/kubernetes';
import { Secret } from 'drun-sdk/secret';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { everythingShownOf, rejection, rejectionOf, thrownBy } from '../../support/failures.ts';
import { findProgram } from '../../support/programs.ts';
import { closedPort, serveHttp } from '../../support/sockets.ts';
import { type ApiRequest, fetchFrom, KubernetesApi, listen, NAMESPACE, TOKEN } from './kubernetes-api.ts';
import { isLinearizable, programs, runConcurrently } from './linearizability.ts';
import { serverSetup } from './server-setup.ts';
import { newRing, testServerFailures, testStoreContract, updated } from './store-contract.ts';

const NAME = 'drun-key-rings';
const SERVER = 'https://kubernetes.test';

type Options = Partial<KubernetesSecretStoreOptions>;

function storeOf(api: KubernetesApi, options: Options = {}): KeyStore {
  return kubernetesSecretStore({
    name: NAME,
    namespace: NAMESPACE,
    server: SERVER,
    token: TOKEN,
    fetch: fetchFrom(api),
    ...options,
  });
}

/** A store whose API server always returns this response. */
function storeWithResponse(response: () => Response | Promise<Response>, options: Options = {}): KeyStore {
  return storeOf(new KubernetesApi(), { fetch: async () => response(), ...options });
}

const json = (body: unknown, status = 200): Response => new Response(JSON.stringify(body), { status });

/** Creates an API server on a port, and stores that connect to it without TLS. */
async function newSetup() {
  const connect = async (port: number) => ({
    store: kubernetesSecretStore({
      name: NAME,
      namespace: NAMESPACE,
      server: `http://127.0.0.1:${port}`,
      token: TOKEN,
      pollMs: 20,
    }),
    close: async () => {},
  });
  return serverSetup(await listen(new KubernetesApi()), connect, /^(?:PATCH|POST) /);
}

describe('kubernetesSecretStore', () => {
  testStoreContract(newSetup, { runs: 40 });

  describe('during server failures', { timeout: 60_000 }, () => {
    testServerFailures(newSetup);
  });

  test('is linearizable in any order of requests', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), programs(3), async (scheduler, steps) => {
        const api = new KubernetesApi();
        const send = fetchFrom(api);
        // The scheduler decides when a request and its response arrive.
        const fetch = async (url: string, init: RequestInit): Promise<Response> => {
          await scheduler.schedule(Promise.resolve(), `${init.method}`);
          const response = await send(url, init);
          await scheduler.schedule(Promise.resolve(), `${response.status}`);
          return response;
        };
        const stores = steps.map(() => storeOf(api, { fetch }));
        const events = await scheduler.waitFor(runConcurrently(stores, 'checkout', steps));
        expect(isLinearizable(events), JSON.stringify(events)).toBe(true);
      }),
      { numRuns: 300 },
    );
  }, 60_000);

  describe('the Secret', () => {
    test('is created with the first record, with one entry for the ring and one for its version', async () => {
      const api = new KubernetesApi();
      const version = await updated(storeOf(api).compareAndSwap('checkout', null, 'a record'));

      expect(api.secrets.get(NAME)?.type).toBe('Opaque');
      expect(api.entries(NAME)).toEqual({ checkout: 'a record', 'checkout.version': version });
    });

    test('may already exist and be empty, so that the role need not allow creating Secrets', async () => {
      const api = new KubernetesApi();
      api.change(NAME, {});
      api.verbs.delete('create');
      const store = storeOf(api);

      expect(await store.get('checkout')).toBeNull();
      await updated(store.compareAndSwap('checkout', null, 'a record'));
    });

    test('keeps unrelated entries and labels', async () => {
      const api = new KubernetesApi();
      const data = { 'tls.key': Buffer.from('theirs').toString('base64'), bytes: 'AP+A' };
      api.change(NAME, { data, labels: { team: 'shop' } });

      await updated(storeOf(api).compareAndSwap('checkout', null, 'a record'));

      expect(api.secrets.get(NAME)).toMatchObject({ data, labels: { team: 'shop' } });
    });

    test('causes a conflict only if the ring itself has changed, even if other entries change repeatedly', async () => {
      const api = new KubernetesApi();
      const store = storeOf(api);
      const version = await updated(store.compareAndSwap('checkout', null, 'a record'));
      const send = fetchFrom(api);
      let labels = 0;
      const busy = storeOf(api, {
        async fetch(url, init) {
          if (init.method === 'PATCH' && labels < 5) api.change(NAME, { labels: { count: `${++labels}` } });
          return send(url, init);
        },
      });

      await updated(busy.compareAndSwap('checkout', version, 'another'));

      expect(labels).toBe(5);
      expect(await busy.compareAndSwap('checkout', version, 'late')).toEqual({ ok: false });
    });

    test('causes a KeyStoreError if it changes before every attempt', async () => {
      const api = new KubernetesApi();
      api.change(NAME, {});
      const send = fetchFrom(api);
      const store = storeOf(api, {
        async fetch(url, init) {
          if (init.method === 'PATCH') api.change(NAME, {});
          return send(url, init);
        },
      });

      const error = await rejectionOf(KeyStoreError, store.compareAndSwap('checkout', null, 'a record'));

      expect(error.message).toContain('20 attempts');
    });

    test('is recreated for a new ring, and causes a conflict for an existing one, if it is deleted between read and write', async () => {
      const api = new KubernetesApi();
      const send = fetchFrom(api);
      const store = storeOf(api, {
        async fetch(url, init) {
          if (init.method === 'PATCH') api.secrets.delete(NAME);
          return send(url, init);
        },
      });
      api.change(NAME, {});
      const version = await updated(store.compareAndSwap('checkout', null, 'a record'));

      expect(await store.compareAndSwap('checkout', version, 'another')).toEqual({ ok: false });
      expect(await store.get('checkout')).toBeNull();
    });

    test('causes a KeyStoreError if a record lacks its version', async () => {
      const api = new KubernetesApi();
      api.change(NAME, { data: { checkout: Buffer.from('by hand').toString('base64') } });

      const error = await rejectionOf(KeyStoreError, storeOf(api).get('checkout'));

      expect(error.message).toContain('without `checkout.version`');
    });

    test('has no record if only the version remains', async () => {
      const api = new KubernetesApi();
      api.change(NAME, { data: { 'checkout.version': Buffer.from('old').toString('base64') } });
      const store = storeOf(api);

      expect(await store.get('checkout')).toBeNull();
      await updated(store.compareAndSwap('checkout', null, 'a record'));
    });

    test.each(['creates', 'replaces'])(
      'recognizes its own update if `fetch` retries the request: %s a record',
      async (kind) => {
        const api = new KubernetesApi();
        const version =
          kind === 'creates' ? null : await updated(storeOf(api).compareAndSwap('checkout', null, 'before'));
        const send = fetchFrom(api);
        const store = storeOf(api, {
          async fetch(url, init) {
            await send(url, init);
            return send(url, init);
          },
        });

        const next = await updated(store.compareAndSwap('checkout', version, 'after'));

        expect(await store.get('checkout')).toEqual({ value: 'after', version: next });
      },
    );
  });

  describe('additional entries', () => {
    test('are updated with the record in one request', async () => {
      const api = new KubernetesApi();
      const store = storeOf(api, { entries: async (ring, value) => ({ [`${ring}.key`]: `of ${value}` }) });

      const version = await updated(store.compareAndSwap('checkout', null, 'first'));
      expect(api.entries(NAME)).toMatchObject({ checkout: 'first', 'checkout.key': 'of first' });
      await updated(store.compareAndSwap('checkout', version, 'second'));
      expect(api.entries(NAME)).toMatchObject({ checkout: 'second', 'checkout.key': 'of second' });
      expect(await store.compareAndSwap('checkout', version, 'third')).toEqual({ ok: false });
      expect(api.entries(NAME)).toMatchObject({ checkout: 'second', 'checkout.key': 'of second' });
    });

    test.each(['checkout', 'api-key', 'checkout.version', 'a/b', '', 'ä', 'x'.repeat(254)])(
      'cannot have the name %j, for which no request is sent',
      async (entry) => {
        const api = new KubernetesApi();
        const store = storeOf(api, { entries: () => ({ [entry]: 'a text' }) });

        const error = await rejectionOf(
          ConfigurationError,
          store.compareAndSwap('checkout', null, 'a record'),
        );

        expect(error.option).toBe('entries');
        expect(api.requests).toEqual([]);
      },
    );

    test('must be strings', async () => {
      const entries = (() => ({ 'checkout.key': 1 })) as unknown as Options['entries'];
      const store = storeOf(new KubernetesApi(), { entries });

      await rejectionOf(ConfigurationError, store.compareAndSwap('checkout', null, 'a record'));
    });

    test('reject with the error that the function throws', async () => {
      const thrown = new Error('sealed with another key');
      const store = storeOf(new KubernetesApi(), {
        entries: () => {
          throw thrown;
        },
      });

      expect(await rejection(store.compareAndSwap('checkout', null, 'a record'))).toBe(thrown);
    });
  });

  describe('a request', () => {
    test('is JSON, and an update is a merge patch with the version that was read', async () => {
      const api = new KubernetesApi();
      const store = storeOf(api);
      const version = await updated(store.compareAndSwap('checkout', null, 'a'));
      const resourceVersion = api.secrets.get(NAME)?.resourceVersion;
      await updated(store.compareAndSwap('checkout', version, 'b'));

      const seen = api.requests.map(({ method, path, contentType }) => [method, path, contentType]);
      const secrets = `/api/v1/namespaces/${NAMESPACE}/secrets`;
      expect(seen).toEqual([
        ['GET', `${secrets}/${NAME}`, undefined],
        ['POST', secrets, 'application/json'],
        ['GET', `${secrets}/${NAME}`, undefined],
        ['PATCH', `${secrets}/${NAME}`, 'application/merge-patch+json'],
      ]);
      const patch = JSON.parse((api.requests.at(-1) as ApiRequest).body);
      expect(patch.metadata).toEqual({ resourceVersion });
    });

    test('uses the path of `server`', async () => {
      const urls: string[] = [];
      const store = storeOf(new KubernetesApi(), {
        server: 'https://rancher.test/k8s/clusters/c-1/',
        async fetch(url) {
          urls.push(url);
          return json({ kind: 'Secret', metadata: { resourceVersion: '1' } });
        },
      });

      await store.get('checkout');

      expect(urls).toEqual([
        `https://rancher.test/k8s/clusters/c-1/api/v1/namespaces/${NAMESPACE}/secrets/${NAME}`,
      ]);
    });

    test.each<[string, Options['token']]>([
      ['a string', TOKEN],
      ['a Secret', new Secret(TOKEN)],
      ['a function', () => TOKEN],
      ['an async function', async () => new Secret(TOKEN)],
    ])('contains the token, configured as %s', async (_, token) => {
      const api = new KubernetesApi();

      await storeOf(api, { token }).get('checkout');

      expect(api.requests[0]?.authorization).toBe(`Bearer ${TOKEN}`);
    });

    test.each(['http://127.0.0.1:8001', 'https://other-cluster.test'])(
      'to %s, which may belong to another cluster, does not contain the token of the pod',
      async (server) => {
        const headers: unknown[] = [];
        const store = storeOf(new KubernetesApi(), {
          server,
          token: undefined,
          async fetch(_, init) {
            headers.push(init.headers);
            return json({ kind: 'Secret', metadata: { resourceVersion: '1' } });
          },
        });

        await store.get('checkout');

        expect(headers).toEqual([{ accept: 'application/json' }]);
      },
    );
  });

  describe('an error response', () => {
    test('to an invalid token rejects with a KeyStoreError that does not repeat it', async () => {
      const api = new KubernetesApi();
      api.tokens.clear();

      const error = await rejectionOf(KeyStoreError, storeOf(api).get('checkout'));

      expect(error).toMatchObject({ status: 401 });
      expect(error.message).toBe(
        `GET of the Secret ${NAME}: 401, Unauthorized, the token is missing or was rejected.`,
      );
      expect(everythingShownOf(error)).not.toContain(TOKEN);
    });

    test.each(['get', 'create', 'patch'])(
      'to the missing verb %s names the verbs that the role needs',
      async (verb) => {
        const api = new KubernetesApi();
        if (verb === 'patch') api.change(NAME, {});
        api.verbs.delete(verb);

        const error = await rejectionOf(
          KeyStoreError,
          storeOf(api).compareAndSwap('checkout', null, 'a record'),
        );

        expect(error.status).toBe(403);
        expect(error.message).toContain(`cannot ${verb} resource "secrets"`);
        expect(error.message).toContain(
          'the role needs the verbs get and patch on this Secret, and create on secrets unless the Secret already exists',
        );
      },
    );

    test("contains the API server's message: a missing namespace, an immutable or full Secret", async () => {
      const api = new KubernetesApi();
      const missing = storeOf(api, { namespace: 'nowhere' });
      expect(await rejection(missing.compareAndSwap('checkout', null, 'a record'))).toMatchObject({
        status: 404,
        message: `POST of the Secret ${NAME}: 404, namespaces "nowhere" not found.`,
      });

      api.change(NAME, { immutable: true });
      expect(await rejection(storeOf(api).compareAndSwap('checkout', null, 'a record'))).toMatchObject({
        status: 422,
        message: expect.stringContaining('immutable'),
      });

      api.change(NAME, { immutable: false, data: { full: Buffer.alloc(1_048_576).toString('base64') } });
      expect(await rejection(storeOf(api).compareAndSwap('checkout', null, 'a record'))).toMatchObject({
        status: 422,
        message: expect.stringContaining('may not be more than'),
      });
    });

    test.each(['GET', 'PATCH'])(
      'of a %s that contains the token, the record or a key does not show them',
      async (method) => {
        const api = new KubernetesApi();
        api.change(NAME, {});
        const send = fetchFrom(api);
        const key = 'sk-UxO0kZv8mC1rT3qWn5bYd7fHj9LgPs2aE4iX6uN7ucU';
        const record = '{"seq":4,"sealed":"0123456789abcdef0123456789abcdef"}';
        const message = [TOKEN, record, btoa(record), key, btoa(key)].join(' ');
        const store = storeOf(api, {
          entries: () => ({ 'checkout.key': key }),
          fetch: async (url, init) =>
            init.method === method
              ? json({ kind: 'Status', reason: 'Invalid', message }, 422)
              : send(url, init),
        });

        const error = await rejectionOf(KeyStoreError, store.compareAndSwap('checkout', null, record));

        const shown = everythingShownOf(error);
        expect(shown).toContain(`${method} of the Secret`);
        expect(
          [TOKEN, 'sealed', btoa(record), key, btoa(key)].filter((text) => shown.includes(text)),
        ).toEqual([]);
      },
    );
  });

  describe('a response that is not from the API server', () => {
    test.each<[string, () => Response]>([
      ['a page', () => new Response('<!doctype html><title>Sign in</title>')],
      ['nothing', () => new Response('')],
      ['an object of another kind', () => json({ kind: 'ConfigMap', metadata: { resourceVersion: '1' } })],
      ['a Secret without its version', () => json({ kind: 'Secret', metadata: {} })],
      [
        'a Secret with an empty version, which would disable the version check',
        () => json({ kind: 'Secret', metadata: { resourceVersion: '' } }),
      ],
      ['a 404 of a proxy', () => new Response('404 page not found', { status: 404 })],
      ['a 404 in JSON that is not a Status', () => json({ reason: 'NotFound' }, 404)],
      [
        'a redirect',
        () => new Response(null, { status: 302, headers: { location: 'https://elsewhere.test' } }),
      ],
      ['a failure', () => json({ kind: 'Status', reason: 'InternalError', message: 'etcd is away' }, 500)],
    ])('such as %s rejects with KeyStoreError instead of returning null', async (_, response) => {
      await rejectionOf(KeyStoreError, storeWithResponse(response).get('checkout'));
      await rejectionOf(
        KeyStoreError,
        storeWithResponse(response).compareAndSwap('checkout', null, 'a record'),
      );
    });

    test('such as a Secret without the stored entries is not a success', async () => {
      const store = storeWithResponse(() => json({ kind: 'Secret', metadata: { resourceVersion: '1' } }));

      const error = await rejectionOf(KeyStoreError, store.compareAndSwap('checkout', null, 'a record'));

      expect(error.message).toBe(
        `PATCH of the Secret ${NAME}: the response does not contain the entries that were sent.`,
      );
    });

    test('such as an HTML page with status 409 is not a conflict', async () => {
      let calls = 0;
      const store = storeWithResponse(() =>
        ++calls === 1
          ? json({ kind: 'Secret', metadata: { resourceVersion: '1' } })
          : new Response('conflict', { status: 409 }),
      );

      expect(await rejection(store.compareAndSwap('checkout', null, 'a record'))).toMatchObject({
        status: 409,
      });
      expect(calls).toBe(2);
    });
  });

  describe('a connection', () => {
    test('that cannot be opened rejects with a KeyStoreError that gives the reason', async () => {
      const server = await closedPort();
      const store = kubernetesSecretStore({ name: NAME, namespace: NAMESPACE, server, token: TOKEN });

      const error = await rejectionOf(KeyStoreError, store.get('checkout'));

      expect(error.message).toMatch(/the connection to 127\.0\.0\.1:\d+ failed: .*ECONNREFUSED/);
    });

    test('that a custom `fetch` fails to open rejects with a KeyStoreError without the fields of its error', async () => {
      const store = storeOf(new KubernetesApi(), {
        async fetch(url, init) {
          const cause = Object.assign(new Error(`bad header ${TOKEN}`), { request: new Request(url, init) });
          throw Object.assign(new TypeError('fetch failed', { cause }), { init });
        },
      });

      const error = await rejectionOf(KeyStoreError, store.get('checkout'));

      expect(error.message).toContain('failed: bad header');
      expect(everythingShownOf(error)).not.toContain(TOKEN);
    });

    test.each([undefined, null, 'a text', { message: 1 }])(
      'rejects with KeyStoreError if `fetch` throws %o',
      async (thrown) => {
        const store = storeWithResponse(() => {
          throw thrown;
        });

        await rejectionOf(KeyStoreError, store.get('checkout'));
      },
    );

    test.each<[string, Options]>([
      ['with node:https', {}],
      ['with a `fetch` that ignores its signal', { fetch: () => new Promise(() => {}) }],
    ])('without a response times out, %s', async (_, options) => {
      const { url: server } = await serveHttp(() => {});
      const store = kubernetesSecretStore({
        name: NAME,
        namespace: NAMESPACE,
        server,
        token: TOKEN,
        timeoutMs: 30,
        ...options,
      });

      const error = await rejectionOf(KeyStoreError, store.get('checkout'));

      expect(error.message).toBe(`GET of the Secret ${NAME}: no response within 30 ms.`);
    });

    test('that is lost during a response rejects with KeyStoreError', async () => {
      const { url: server } = await serveHttp((_, response) => {
        response.writeHead(200, { 'content-length': 1_000 });
        response.write('{"kind":"Secret"');
        response.destroy();
      });
      const store = kubernetesSecretStore({ name: NAME, namespace: NAMESPACE, server, token: TOKEN });

      await rejectionOf(KeyStoreError, store.get('checkout'));
    });
  });

  test.each<[string, unknown]>([
    ['name', undefined],
    ['name', ''],
    ['name', 'Key_Rings'],
    ['name', '../configmaps'],
    ['name', '-a'],
    ['name', 'x'.repeat(254)],
    ['namespace', 'a.b'],
    ['namespace', 'a/secrets/b'],
    ['namespace', ''],
    ['server', null],
    ['server', 'kubernetes'],
    ['server', 'http://kubernetes.test'],
    ['server', 'https://user:password@kubernetes.test'],
    ['server', 'https://kubernetes.test?a=b'],
    ['server', 'file:///etc'],
    ['token', ''],
    ['token', `${TOKEN}\n`],
    ['token', 42],
    ['fetch', 'fetch'],
    ['entries', {}],
    ['serviceAccountPath', ''],
    ['timeoutMs', 0],
    ['pollMs', Number.NaN],
    ['apiServer', 'https://kubernetes.test'],
  ])('rejects the %s %o without showing it', (option, value) => {
    const error = thrownBy(ConfigurationError, () =>
      storeOf(new KubernetesApi(), { [option]: value } as Options),
    );

    expect(error.option).toBe(option);
    expect(everythingShownOf(error)).not.toMatch(/password|eyJ/);
  });

  test('rejects a function that returns a token which is not a valid header value', async () => {
    const store = storeOf(new KubernetesApi(), { token: () => `${TOKEN}\r\nx: y` });

    const error = await rejectionOf(ConfigurationError, store.get('checkout'));

    expect(error.option).toBe('token');
    expect(everythingShownOf(error)).not.toContain(TOKEN);
  });

  test('shows no credential when it is printed', () => {
    expect(everythingShownOf(storeOf(new KubernetesApi()))).not.toContain(TOKEN);
  });
});

const openssl = findProgram('openssl');

describe.skipIf(!openssl)(
  `in a pod${openssl ? '' : ' (skipped: openssl is not installed)'}`,
  { timeout: 60_000 },
  () => {
    /** Creates a service account folder as Kubernetes mounts it, and its API server. */
    async function newPod() {
      const folder = await mkdtemp(join(tmpdir(), 'drun-sdk-pod-'));
      onTestFinished(() => rm(folder, { recursive: true }));
      const key = join(folder, 'server.key');
      const certificate = join(folder, 'ca.crt');
      execFileSync(
        openssl ?? '',
        ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
          .concat(['-subj', '/CN=kubernetes', '-addext', 'subjectAltName=IP:127.0.0.1'])
          .concat(['-keyout', key, '-out', certificate]),
        { stdio: 'ignore' },
      );
      const api = new KubernetesApi();
      const tls = { cert: await readFile(certificate, 'utf8'), key: await readFile(key, 'utf8') };
      const { port, close } = await listen(api, tls);
      onTestFinished(close);
      await writeFile(join(folder, 'token'), `${TOKEN}\n`);
      await writeFile(join(folder, 'namespace'), NAMESPACE);
      vi.stubEnv('KUBERNETES_SERVICE_HOST', '127.0.0.1');
      vi.stubEnv('KUBERNETES_SERVICE_PORT', String(port));
      return { api, folder };
    }

    test('requires only a name, and reads the other options from the pod', async () => {
      const { api, folder } = await newPod();
      const store = kubernetesSecretStore({ name: NAME, serviceAccountPath: folder });
      const ring = newRing();

      const version = await updated(store.compareAndSwap(ring, null, 'a record'));

      expect(await store.get(ring)).toEqual({ value: 'a record', version });
      expect(api.requests[0]?.authorization).toBe(`Bearer ${TOKEN}`);
    });

    test('reads a new token after Kubernetes has replaced it', async () => {
      const { api, folder } = await newPod();
      const store = kubernetesSecretStore({ name: NAME, serviceAccountPath: folder });
      await store.get('checkout');

      api.tokens.clear();
      api.tokens.add(`${TOKEN}-2`);
      await rejectionOf(KeyStoreError, store.get('checkout'));
      await writeFile(join(folder, 'token'), `${TOKEN}-2`);

      expect(await store.get('checkout')).toBeNull();
    });

    test('does not send the token to a server whose certificate another authority has signed', async () => {
      const { folder } = await newPod();
      const other = await newPod();
      const store = kubernetesSecretStore({ name: NAME, serviceAccountPath: folder });

      const error = await rejectionOf(KeyStoreError, store.get('checkout'));

      expect(error.message).toMatch(/certificate/);
      expect(other.api.requests).toEqual([]);
    });

    test.each([
      ['token', 'token'],
      ['namespace', 'namespace'],
      ['ca.crt', 'server'],
    ])(
      'rejects with a ConfigurationError if the file %s is missing, and names the option %s',
      async (file, option) => {
        const { folder } = await newPod();
        await rm(join(folder, file));
        const store = kubernetesSecretStore({ name: NAME, serviceAccountPath: folder });

        const error = await rejectionOf(ConfigurationError, store.get('checkout'));

        expect(error.option).toBe(option);
        expect(error.message).toContain(join(folder, file));
      },
    );
  },
);

test('requires `server` outside a cluster', () => {
  vi.stubEnv('KUBERNETES_SERVICE_HOST', undefined);

  expect(thrownBy(ConfigurationError, () => kubernetesSecretStore({ name: NAME })).option).toBe('server');
});

test('encloses an IPv6 address in brackets', async () => {
  vi.stubEnv('KUBERNETES_SERVICE_HOST', 'fd00::1');
  vi.stubEnv('KUBERNETES_SERVICE_PORT', undefined);
  const urls: string[] = [];
  const fetch = async (url: string): Promise<Response> => {
    urls.push(url);
    return json({ kind: 'Secret', metadata: { resourceVersion: '1' } });
  };

  await kubernetesSecretStore({ name: NAME, namespace: NAMESPACE, token: TOKEN, fetch }).get('checkout');

  expect(urls[0]).toMatch(/^https:\/\/\[fd00::1\]\/api\/v1\//);
});
