import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError, KeyStoreError } from '../../errors/index.ts';
import { isLoopback, isPrintableAscii, isTimerMs } from '../../internal/checks.ts';
import type { PlatformRequestInit, PlatformResponse, PlatformUrl } from '../../internal/platform.ts';
import { isSecret, type Secret } from '../../secret/secret.ts';
import { type Access, type Entries, KubernetesSecret, type SecretState } from './kubernetes-secret.ts';
import { checkFunction, invalid, isRingName, type KeyStore, type StoredRecord, storeFrom } from './store.ts';

/** Options of {@link kubernetesSecretStore}. In a pod, a name is enough. */
export interface KubernetesSecretStoreOptions {
  /** The Secret, for any number of rings. Created with the first record, unless it exists. */
  readonly name: string;
  /** @defaultValue the namespace of the pod */
  readonly namespace?: string | undefined;
  /**
   * The API server: `https`, or `http` to this machine for `kubectl proxy`. @defaultValue that of the cluster, from
   * the pod's environment
   */
  readonly server?: string | PlatformUrl | undefined;
  /**
   * The bearer token, or a function that returns it before every request. @defaultValue the token of the service
   * account, read for every request; none if `server` is given
   */
  readonly token?: string | Secret | (() => string | Secret | Promise<string | Secret>) | undefined;
  /**
   * Folder with the service account's `token`, `namespace` and `ca.crt`. @defaultValue
   * '/var/run/secrets/kubernetes.io/serviceaccount'
   */
  readonly serviceAccountPath?: string | undefined;
  /**
   * Further entries that change together with a record, in the same request, such as the plain key for pods that only
   * mount the Secret. Their names must not be names of rings: `checkout.key`, not `checkout`.
   */
  readonly entries?: ((ring: string, value: string) => Entries | Promise<Entries>) | undefined;
  /** Replaces `node:https`; must trust the cluster's certificates itself. Receives the token in the headers. */
  readonly fetch?: ((url: string, init: PlatformRequestInit) => Promise<PlatformResponse>) | undefined;
  /** Timeout of one request in milliseconds. @defaultValue 10_000 */
  readonly timeoutMs?: number | undefined;
  /** Interval at which `watch` polls, in milliseconds. @defaultValue 10_000 */
  readonly pollMs?: number | undefined;
}

const NAMESPACE = /^[a-z\d](?:[-a-z\d]{0,61}[a-z\d])?$/;
const SECRET_NAME = /^(?=.{1,253}$)[a-z\d](?:[-a-z\d]*[a-z\d])?(?:\.[a-z\d](?:[-a-z\d]*[a-z\d])?)*$/;
const ENTRY_NAME = /^[-\w.]{1,253}$/;
const SERVICE_ACCOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Every conflict is another client's success, so even the unluckiest client gets through. */
const MAX_ATTEMPTS = 20;

/**
 * Creates a store in a Kubernetes Secret, for services that run in a cluster.
 *
 * A record is the entry with the name of the ring, with `<ring>.version` beside it; updates depend on the Secret's
 * `resourceVersion`. The role needs the verbs `get` and `patch` on the Secret, and `create` on secrets unless it exists.
 *
 * @throws {ConfigurationError} If an option is invalid, also from methods if a file of the service account is missing. Methods
 * reject with KeyStoreError for failures of the API server.
 *
 * @example
 * ```ts
 * import { kubernetesSecretStore } from 'drun-sdk/rotation/kubernetes';
 *
 * const store = kubernetesSecretStore({ name: 'drun-key-rings' });
 * ```
 */
export function kubernetesSecretStore(options: KubernetesSecretStoreOptions): KeyStore {
  const { name, entries: furtherEntries, pollMs } = options ?? {};
  checkName(name, 'name', SECRET_NAME);
  if (furtherEntries !== undefined) checkFunction(furtherEntries, 'entries');
  const secret = new KubernetesSecret(name, accessOf(options));

  const recordIn = (state: SecretState | null, ring: string): StoredRecord | null => {
    const value = state?.entries[ring];
    const version = state?.entries[`${ring}.version`];
    if (value === undefined) return null;
    if (version !== undefined) return { value, version };
    throw new KeyStoreError(`The Secret ${name} has the entry \`${ring}\` without \`${ring}.version\`.`);
  };

  const swap = async (ring: string, expected: string | null, version: string, value: string) => {
    const further = checkEntries((await furtherEntries?.(ring, value)) ?? {});
    const entries = { ...further, [ring]: value, [`${ring}.version`]: version };
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const state = await secret.read(entries);
      const current = recordIn(state, ring)?.version ?? null;
      // A `fetch` that repeats requests conflicts with itself the second time.
      if (current === version) return true;
      if (current !== expected) return false;
      const { resourceVersion } = state ?? {};
      // False if the Secret has changed, perhaps in another entry.
      if (await (resourceVersion ? secret.patch(resourceVersion, entries) : secret.create(entries)))
        return true;
    }
    const message = `The Secret ${name} changed before each of ${MAX_ATTEMPTS} attempts to store \`${ring}\`.`;
    throw new KeyStoreError(message);
  };

  return storeFrom(
    {
      get: async (ring) => recordIn(await secret.read(), ring),
      create: (ring, version, value) => swap(ring, null, version, value),
      replace: swap,
      version: async (ring) => recordIn(await secret.read(), ring)?.version ?? null,
    },
    pollMs,
    10_000,
  );
}

function accessOf(options: KubernetesSecretStoreOptions): Access {
  const { namespace, token, fetch, timeoutMs = 10_000, serviceAccountPath = SERVICE_ACCOUNT_PATH } = options;
  if (typeof serviceAccountPath !== 'string' || serviceAccountPath === '') {
    throw invalid('serviceAccountPath', 'must be the path of a folder');
  }
  if (namespace !== undefined) checkName(namespace, 'namespace', NAMESPACE);
  if (fetch !== undefined) checkFunction(fetch, 'fetch');
  if (token !== undefined && typeof token !== 'function') checkToken(token);
  if (!isTimerMs(timeoutMs)) throw invalid('timeoutMs', 'must be a positive number of milliseconds');
  // Kubernetes replaces these files before they expire.
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
  // Token and certificates of the pod's own cluster are not for another one.
  const isOwnCluster = options.server === undefined;
  const readToken = token ?? (isOwnCluster ? () => readAccount('token', 'token') : undefined);
  return {
    server: checkServer(options.server ?? clusterServer()),
    namespace: async () =>
      namespace ?? checkName(await readAccount('namespace', 'namespace'), 'namespace', NAMESPACE),
    token:
      readToken === undefined
        ? undefined
        : async () => checkToken(typeof readToken === 'function' ? await readToken() : readToken),
    certificates: isOwnCluster && !fetch ? () => readAccount('ca.crt', 'server') : undefined,
    fetch,
    timeoutMs,
  };
}

/** The API server of the cluster that this process runs in. */
function clusterServer(): string {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = process.env;
  if (!host) throw invalid('server', 'is required outside of a pod (KUBERNETES_SERVICE_HOST is not set)');
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Node's error for a token that is not a header value does not name the header. */
function checkToken(token: string | Secret): string {
  const text = isSecret(token) ? token.reveal() : token;
  if (typeof text === 'string' && isPrintableAscii(text)) return text;
  throw invalid('token', 'must be printable ASCII without spaces, and not empty');
}

/** The token is sent there. The message does not repeat the address, which may contain a password. */
function checkServer(server: string | URL): URL {
  const url = URL.canParse(String(server)) ? new URL(server) : undefined;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname));
  if (url && isSafe && url.username + url.password + url.search + url.hash === '') return url;
  throw invalid('server', 'must be an https URL without user and query; http is for this machine only');
}

function checkName(name: string, option: string, pattern: RegExp): string {
  if (typeof name === 'string' && pattern.test(name)) return name;
  throw invalid(option, 'must be a Kubernetes name of `a` to `z`, `0` to `9` and `-`');
}

function checkEntries(entries: Entries): Entries {
  for (const [name, value] of Object.entries(entries)) {
    const isFree = ENTRY_NAME.test(name) && !isRingName(name.replace(/\.version$/, ''));
    if (isFree && typeof value === 'string') continue;
    throw invalid('entries', 'must return strings by names such as `checkout.key`, which no ring can have');
  }
  return entries;
}
