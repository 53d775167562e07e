import { ConfigurationError, KeyStoreError } from '../../errors/index.ts';
import type { PlatformRequestInit, PlatformResponse, PlatformUrl } from '../../internal/platform.ts';
import { isSecret, type Secret } from '../../secret/secret.ts';
import { clusterServer, SERVICE_ACCOUNT_PATH, ServiceAccount } from './kubernetes-pod.ts';
import { type Access, type Entries, KubernetesSecret, type SecretState } from './kubernetes-secret.ts';
import {
  checkFunction,
  invalid,
  isRingName,
  isTimerMs,
  type KeyStore,
  type StoredRecord,
  storeFrom,
} from './store.ts';

/** What {@link kubernetesSecretStore} is told. In a pod, a name is enough. */
export interface KubernetesSecretStoreOptions {
  /** The Secret, for any number of rings. It is made when the first record is stored, unless it is there already. */
  readonly name: string;
  /** Default: the namespace of the pod. */
  readonly namespace?: string | undefined;
  /**
   * The API server: https, or http to this machine for `kubectl proxy`. Default: that of the cluster, from the pod's
   * environment.
   */
  readonly server?: string | PlatformUrl | undefined;
  /**
   * What to show to the API server, or a function that is asked for it before every request. Default: the token of the
   * service account, read for every request, for Kubernetes replaces it; none where `server` is given, for that may be
   * another cluster's.
   */
  readonly token?: string | Secret | (() => string | Secret | Promise<string | Secret>) | undefined;
  /**
   * The folder with the service account's `token`, `namespace` and `ca.crt`. Default:
   * `/var/run/secrets/kubernetes.io/serviceaccount`, where Kubernetes puts them.
   */
  readonly serviceAccountPath?: string | undefined;
  /**
   * Further entries of the Secret that are to change together with a record, in the same request, such as the API key
   * in clear for pods that only mount the Secret. Called before a swap is sent. An entry stays until it is given anew; its
   * name must not be one that a ring uses: `checkout.key` will do, `checkout` will not.
   */
  readonly entries?: ((ring: string, value: string) => Entries | Promise<Entries>) | undefined;
  /**
   * Takes the place of `node:https`, and then has to know whose certificates to trust. It gets the token among the
   * headers.
   */
  readonly fetch?: ((url: string, init: PlatformRequestInit) => Promise<PlatformResponse>) | undefined;
  /** For one request, in milliseconds. Default: 10,000. */
  readonly timeoutMs?: number | undefined;
  /** How often `watch` looks for a change, in milliseconds. Default: 10,000. */
  readonly pollMs?: number | undefined;
}

const NAMESPACE = /^[a-z\d](?:[-a-z\d]{0,61}[a-z\d])?$/;
const SECRET_NAME = /^(?=.{1,253}$)[a-z\d](?:[-a-z\d]*[a-z\d])?(?:\.[a-z\d](?:[-a-z\d]*[a-z\d])?)*$/;
const ENTRY_NAME = /^[-\w.]{1,253}$/;
const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/** Every refusal of this kind is another client's success, so even the unluckiest one comes through. */
const MAX_ATTEMPTS = 20;

/**
 * Makes a store in a Secret of Kubernetes: for services that run there, and need no database for it.
 *
 * A record is the entry that is called as the ring, and `<ring>.version` beside it. The Secret's `resourceVersion` sees
 * to it that nobody overwrites what they have not read. The role needs the verbs `get` and `patch` on the Secret, and
 * `create` on secrets unless it was made beforehand.
 *
 * @throws ConfigurationError that names the option that is wrong. Later, a method rejects with that too where a file of
 * the service account is missing, and with KeyStoreError for all that goes wrong with the API server.
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
    const version = state?.entries[versionEntry(ring)];
    if (value === undefined) return null;
    if (version !== undefined) return { value, version };
    throw new KeyStoreError(
      `The Secret ${name} has the entry \`${ring}\` without \`${versionEntry(ring)}\`.`,
    );
  };

  const swap = async (ring: string, expected: string | null, version: string, value: string) => {
    const further = checkEntries((await furtherEntries?.(ring, value)) ?? {});
    const entries = { ...further, [ring]: value, [versionEntry(ring)]: version };
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const state = await secret.read(entries);
      const current = recordIn(state, ring)?.version ?? null;
      // A `fetch` that repeats requests conflicts with itself the second time.
      if (current === version) return true;
      if (current !== expected) return false;
      const isStored = state
        ? await secret.patch(state.resourceVersion, entries)
        : await secret.create(entries);
      if (isStored) return true;
      // The Secret has changed, perhaps in another entry.
    }
    throw new KeyStoreError(
      `The Secret ${name} changed before each of ${MAX_ATTEMPTS} attempts to store \`${ring}\`.`,
    );
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

function versionEntry(ring: string): string {
  return `${ring}.version`;
}

function accessOf(options: KubernetesSecretStoreOptions): Access {
  const { namespace, token, fetch, serviceAccountPath = SERVICE_ACCOUNT_PATH } = options;
  if (typeof serviceAccountPath !== 'string' || serviceAccountPath === '') {
    throw new ConfigurationError('serviceAccountPath must be the name of a folder', {
      option: 'serviceAccountPath',
    });
  }
  if (namespace !== undefined) checkName(namespace, 'namespace', NAMESPACE);
  if (fetch !== undefined) checkFunction(fetch, 'fetch');
  if (token !== undefined && typeof token !== 'function') checkToken(token);
  // Token and certificates of the pod's own cluster are not for another one.
  const isOwnCluster = options.server === undefined;
  const server = validServer(options.server ?? clusterServer());
  const account = new ServiceAccount(serviceAccountPath);
  return {
    server,
    namespace: async () => namespace ?? checkName(await account.namespace(), 'namespace', NAMESPACE),
    token: tokenReader(token ?? (isOwnCluster ? () => account.token() : undefined)),
    certificates: isOwnCluster && fetch === undefined ? () => account.certificates() : undefined,
    fetch,
    timeoutMs: checkTimeout(options.timeoutMs ?? 10_000),
  };
}

function checkTimeout(timeoutMs: number): number {
  if (!isTimerMs(timeoutMs)) throw invalid('timeoutMs', 'must be a positive number of milliseconds');
  return timeoutMs;
}

function tokenReader(token: KubernetesSecretStoreOptions['token']): Access['token'] {
  if (token === undefined) return undefined;
  return async () => checkToken(typeof token === 'function' ? await token() : token);
}

/** The token in clear. Node's own error for one that is no header's value does not say which header. */
function checkToken(token: string | Secret): string {
  const text = isSecret(token) ? token.reveal() : token;
  if (typeof text !== 'string' || !/^[\x21-\x7e]+$/.test(text)) {
    throw new ConfigurationError('token must be printable ASCII without spaces, and not empty', {
      option: 'token',
    });
  }
  return text;
}

/** The token goes there: no message repeats the address, for a password may stand in it. */
function validServer(server: string | URL): URL {
  const url = URL.canParse(String(server)) ? new URL(server) : undefined;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.includes(url.hostname));
  if (!url || !isSafe || url.username + url.password + url.search + url.hash !== '') {
    throw new ConfigurationError(
      'server must be an https address without user and query; http is for this machine only',
      { option: 'server' },
    );
  }
  return url;
}

function checkName(text: string, option: string, pattern: RegExp): string {
  if (typeof text !== 'string' || !pattern.test(text)) {
    throw new ConfigurationError(`${option} must be a name as Kubernetes has them: a to z, 0 to 9 and -`, {
      option,
    });
  }
  return text;
}

function checkEntries(entries: Entries): Entries {
  for (const [name, value] of Object.entries(entries)) {
    if (!ENTRY_NAME.test(name) || isRingName(name.replace(/\.version$/, '')) || typeof value !== 'string') {
      throw new ConfigurationError(
        'entries must give texts by names of A to Z, a to z, 0 to 9, -, _ and ., such as checkout.key; those that a ring can have are taken',
        { option: 'entries' },
      );
    }
  }
  return entries;
}
