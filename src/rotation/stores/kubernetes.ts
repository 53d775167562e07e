import { readFile } from 'node:fs/promises';
import * as http from 'node:http';
import * as https from 'node:https';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { ConfigurationError, KeyStoreError } from '../../errors/index.ts';
import { check, checkOptions, invalid } from '../../errors/invalid.ts';
import { readCauses } from '../../internal/cause.ts';
import { isLoopback, isPrintableAscii } from '../../internal/checks.ts';
import { isRecord, parseJson } from '../../internal/json.ts';
import type { PlatformRequestInit, PlatformResponse, PlatformUrl } from '../../internal/platform.ts';
import { abortable } from '../../internal/wait.ts';
import { redact } from '../../secret/index.ts';
import { isSecret, type Secret } from '../../secret/secret.ts';
import { checkFunction, checkMs, type KeyStore, RING_NAME, type StoredRecord, storeFrom } from './store.ts';

/** The decoded entries of a Secret, by name. */
type Entries = Readonly<Record<string, string>>;

/** Options for {@link kubernetesSecretStore}. In a pod, only `name` is required. */
export interface KubernetesSecretStoreOptions {
  /** Name of the Secret, which can hold any number of rings. Created with the first record if missing. */
  readonly name: string;
  /** Namespace of the Secret. @defaultValue The namespace of the pod. */
  readonly namespace?: string | undefined;
  /** URL of the API server. `http` is allowed only for localhost. @defaultValue The API server of the cluster. */
  readonly server?: string | PlatformUrl | undefined;
  /** Bearer token, or a function that returns one. @defaultValue The service account's token if `server` is not set. */
  readonly token?: string | Secret | (() => string | Secret | Promise<string | Secret>) | undefined;
  /** Directory with `token`, `namespace` and `ca.crt`. @defaultValue '/var/run/secrets/kubernetes.io/serviceaccount' */
  readonly serviceAccountPath?: string | undefined;
  /**
   * Returns additional entries to write in the same request as a record, such as the plain-text key for pods that only
   * mount the Secret. The entries' names must not be valid ring names: use `checkout.key`, not `checkout`.
   */
  readonly entries?: ((ring: string, value: string) => Entries | Promise<Entries>) | undefined;
  /** Replaces `node:https`. The function receives the token in a header and must trust the cluster's certificates. */
  readonly fetch?: ((url: string, init: PlatformRequestInit) => Promise<PlatformResponse>) | undefined;
  /** Timeout for one request in milliseconds. @defaultValue 10_000 */
  readonly timeoutMs?: number | undefined;
  /** Interval at which `watch` polls, in milliseconds. @defaultValue 10_000 */
  readonly pollMs?: number | undefined;
}

const OPTIONS = 'name namespace server token serviceAccountPath entries fetch timeoutMs pollMs';
const NAMESPACE = /^[a-z\d](?:[-a-z\d]{0,61}[a-z\d])?$/;
const SECRET_NAME = /^(?=.{1,253}$)[a-z\d](?:[-a-z\d]*[a-z\d])?(?:\.[a-z\d](?:[-a-z\d]*[a-z\d])?)*$/;
const ENTRY_NAME = /^[-\w.]{1,253}$/;
const SERVICE_ACCOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Maximum number of attempts per update. Each conflict means that another client's update succeeded. */
const MAX_ATTEMPTS = 20;

const ADVICE: Readonly<Record<number, string>> = {
  401: 'the token is missing or was rejected',
  403: 'the role needs the verbs get and patch on this Secret, and create on secrets unless the Secret already exists',
};

/**
 * Creates a store that keeps its records in a Kubernetes Secret, for services that run in a cluster.
 *
 * The entry `<ring>` contains the record, and `<ring>.version` its version. Updates are conditional on the Secret's
 * `resourceVersion`. The role needs the verbs `get` and `patch` on the Secret, and `create` on secrets if the
 * Secret does not exist.
 *
 * @throws {ConfigurationError} If an option is invalid. Methods also reject with this error if a file of the service
 * account is missing, and with a `KeyStoreError` if the API server fails.
 *
 * @example
 * ```ts
 * import { kubernetesSecretStore } from 'drun-sdk/rotation/kubernetes';
 *
 * const store = kubernetesSecretStore({ name: 'drun-key-rings' });
 * ```
 */
export function kubernetesSecretStore(options: KubernetesSecretStoreOptions): KeyStore {
  checkOptions(options, OPTIONS.split(' '), 'kubernetesSecretStore()');
  const { name, entries: furtherEntries, pollMs = 10_000 } = options;
  checkName(name, 'name', SECRET_NAME);
  if (furtherEntries !== undefined) checkFunction(furtherEntries, 'entries');
  const secret = new KubernetesSecret(options);

  const recordIn = (state: SecretState | null, ring: string): StoredRecord | null => {
    const { [ring]: value, [`${ring}.version`]: version } = state?.entries ?? {};
    if (value === undefined) return null;
    if (version !== undefined) return { value, version };
    throw new KeyStoreError(`The Secret ${name} has the entry \`${ring}\` without \`${ring}.version\`.`);
  };

  return storeFrom(
    {
      get: async (ring) => recordIn(await secret.read(), ring),
      async swap(ring, expected, version, value) {
        const further = checkEntries((await furtherEntries?.(ring, value)) ?? {});
        const entries = { ...further, [ring]: value, [`${ring}.version`]: version };
        for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
          const state = await secret.read(entries);
          const current = recordIn(state, ring)?.version ?? null;
          // A custom `fetch` may retry a request, which then conflicts with its own first attempt.
          if (current === version) return true;
          if (current !== expected) return false;
          // `write` returns false if the Secret has changed since it was read, possibly in the entry of another ring.
          if (await secret.write(state, entries)) return true;
        }
        const message = `The Secret ${name} was modified concurrently in all ${MAX_ATTEMPTS} attempts to store \`${ring}\`.`;
        throw new KeyStoreError(message);
      },
    },
    pollMs,
  );
}

/** The state of a Secret when it was read. */
interface SecretState {
  /** Version of the Secret with all its entries. */
  readonly resourceVersion: string;
  readonly entries: Entries;
}

type Method = 'GET' | 'POST' | 'PATCH';

/** A Secret in a cluster. */
class KubernetesSecret {
  readonly #options: KubernetesSecretStoreOptions;
  readonly #server: URL;

  constructor(options: KubernetesSecretStoreOptions) {
    const { namespace, token, fetch, timeoutMs, serviceAccountPath: path = SERVICE_ACCOUNT_PATH } = options;
    check(typeof path === 'string' && path !== '', 'serviceAccountPath', 'must be the path of a directory');
    if (namespace !== undefined) checkName(namespace, 'namespace', NAMESPACE);
    if (fetch !== undefined) checkFunction(fetch, 'fetch');
    if (token !== undefined && typeof token !== 'function') checkToken(token);
    if (timeoutMs !== undefined) checkMs(timeoutMs, 'timeoutMs');
    this.#options = options;
    this.#server = checkServer(options.server ?? clusterServer());
  }

  /** Reads the Secret. Returns null if it does not exist. Errors must not contain the `entries` to be stored. */
  read(entries: Entries = {}): Promise<SecretState | null> {
    return this.#request('GET', undefined, entries, ['NotFound']);
  }

  /** Sets the given entries and keeps all others. @returns False if the Secret has changed since it was read. */
  async write(before: SecretState | null, entries: Entries): Promise<boolean> {
    const { name } = this.#options;
    const data = mapValues(entries, (value) => Buffer.from(value, 'utf8').toString('base64'));
    const head = before
      ? { metadata: { resourceVersion: before.resourceVersion } }
      : { apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata: { name } };
    const method = before ? 'PATCH' : 'POST';
    const conflicts = before ? ['Conflict', 'NotFound'] : ['AlreadyExists'];
    const written = await this.#request(method, { ...head, data }, entries, conflicts);
    if (written === null) return false;
    if (Object.entries(entries).every(([entry, value]) => written.entries[entry] === value)) return true;
    throw this.#error(method, 'the response does not contain the entries that were sent');
  }

  /** Sends one request. Returns null if the request fails for one of the given reasons. */
  async #request(
    method: Method,
    body: object | undefined,
    entries: Entries,
    reasons: readonly string[],
  ): Promise<SecretState | null> {
    const { name, timeoutMs = 10_000, fetch } = this.#options;
    const { namespace, token, ca } = await readAccess(this.#options);
    const secrets = `${this.#server.href.replace(/\/+$/, '')}/api/v1/namespaces/${namespace}/secrets`;
    const url = method === 'POST' ? secrets : `${secrets}/${name}`;
    const clean = (message: string): string => redact(message, [token ?? '', ...Object.values(entries)]);
    const signal = AbortSignal.timeout(timeoutMs);
    const init = {
      method,
      headers: {
        accept: 'application/json',
        ...(body && { 'content-type': `application/${method === 'PATCH' ? 'merge-patch+' : ''}json` }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal,
    };
    const exchange = async (): Promise<[status: number, text: string]> => {
      const response = await (fetch ? fetch(url, { ...init, redirect: 'manual' }) : send(url, init, ca));
      return [response.status, await response.text()];
    };
    const [status, text] = await abortable(exchange(), signal).catch((error: unknown) => {
      if (signal.aborted) throw this.#error(method, `no response within ${timeoutMs} ms`);
      const message = clean(readCauses(error).at(-1)?.message ?? '');
      throw this.#error(method, `the connection to ${this.#server.host} failed: ${message}`);
    });
    if (status >= 200 && status < 300) return this.#parse(method, text);
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
      throw this.#error(method, 'the response is not a Secret. Check `server`');
    }
    const decode = (value: unknown): string => Buffer.from(String(value), 'base64').toString('utf8');
    return { resourceVersion, entries: mapValues(isRecord(data) ? data : {}, decode) };
  }

  #error(method: Method, reason: string, status?: number): KeyStoreError {
    return new KeyStoreError(`${method} of the Secret ${this.#options.name}: ${reason}.`, { status });
  }
}

/** Sends a request over a new connection, because idle ones may be closed. `fetch` has no option for certificates. */
function send(
  url: string,
  init: https.RequestOptions & { body?: string },
  ca: string | undefined,
): Promise<{ readonly status: number; readonly text: () => Promise<string> }> {
  const { request } = url.startsWith('https:') ? https : http;
  return new Promise((resolve, reject) => {
    request(url, { ...init, ca, agent: false }, (response) => {
      resolve({ status: response.statusCode ?? 0, text: () => readText(response) });
    })
      .on('error', reject)
      .end(init.body);
  });
}

/** Reads the credentials for one request. The files are not cached, because Kubernetes replaces them regularly. */
async function readAccess(options: KubernetesSecretStoreOptions) {
  const { server, fetch, serviceAccountPath = SERVICE_ACCOUNT_PATH } = options;
  const readAccount = async (file: string, option: string): Promise<string> => {
    const path = join(serviceAccountPath, file);
    try {
      return (await readFile(path, 'utf8')).trim();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const message = `\`${option}\` is missing: ${path} cannot be read (${code}). Pass the option, or mount the service account's token.`;
      throw new ConfigurationError(message, { option });
    }
  };
  // The token and certificates of the pod's own cluster are not valid for another cluster.
  const isOwnCluster = server === undefined;
  const source = options.token ?? (isOwnCluster ? () => readAccount('token', 'token') : undefined);
  const [namespace, token, ca] = await Promise.all([
    options.namespace ?? readAccount('namespace', 'namespace'),
    typeof source === 'function' ? source() : source,
    isOwnCluster && !fetch ? readAccount('ca.crt', 'server') : undefined,
  ]);
  return {
    namespace: checkName(namespace, 'namespace', NAMESPACE),
    token: source === undefined ? undefined : checkToken(token),
    ca,
  };
}

/** Returns the API server of the cluster in which this process runs. */
function clusterServer(): string {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = process.env;
  if (!host) throw invalid('server', 'is required outside a pod (KUBERNETES_SERVICE_HOST is not set)');
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Checks the token before it is sent, so that the error names the option and does not contain the token. */
function checkToken(token: string | Secret | undefined): string {
  const text = isSecret(token) ? token.reveal() : token;
  if (typeof text === 'string' && isPrintableAscii(text)) return text;
  throw invalid('token', 'must be non-empty printable ASCII without spaces');
}

/** Checks the URL to which the token is sent. Error messages omit the URL, because it may contain a password. */
function checkServer(server: string | URL): URL {
  const url = URL.canParse(String(server)) ? new URL(server) : undefined;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname));
  if (url && isSafe && url.username + url.password + url.search + url.hash === '') return url;
  throw invalid('server', 'must be an https URL without a user or query, or http to localhost');
}

function checkName(name: string, option: string, pattern: RegExp): string {
  if (typeof name === 'string' && pattern.test(name)) return name;
  throw invalid(option, 'must be a valid Kubernetes name, such as `drun-key-rings`');
}

function checkEntries(entries: Entries): Entries {
  const areFree = Object.entries(entries).every(
    ([name, value]) =>
      typeof value === 'string' && ENTRY_NAME.test(name) && !RING_NAME.test(name.replace(/\.version$/, '')),
  );
  check(areFree, 'entries', 'must return strings under names that no ring can have, such as `checkout.key`');
  return entries;
}

function mapValues<From, To>(values: Readonly<Record<string, From>>, map: (value: From) => To) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value)]));
}
