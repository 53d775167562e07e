import { isSecret, Secret } from '../secret/secret.ts';
import { type Account, type KeyRecord, OWNER, remainingTokens, type Scope } from './account.ts';
import { check } from './checks.ts';
import { keyChanges, newKey } from './scenario.ts';

/** The token quota of a key. */
export interface EmulatedQuota {
  readonly limit: number | 'unlimited';
  readonly used: number;
  /** The number of tokens left, or 0 if requests in progress have exceeded the limit. */
  readonly remaining: number | 'unlimited';
}

/** A snapshot of a key. Never contains the full key. */
export interface EmulatedKey {
  readonly id: string;
  readonly name: string;
  /** The masked key, such as `sk-******7ucU`. */
  readonly maskedKey: string;
  /** The key's workspace; absent for account keys. */
  readonly workspace?: number | undefined;
  /** Name of the user who created the key. */
  readonly createdBy: string;
  readonly createdAt: Date;
  /** When the key expires; absent if it never expires. */
  readonly expiresAt?: Date | undefined;
  readonly expired: boolean;
  readonly disabled: boolean;
  /** When the data plane last accepted the key. */
  readonly lastUsedAt?: Date | undefined;
  /** Glob patterns for the models that the key may use. If the list is empty, the key may use any model. */
  readonly allowModels: readonly string[];
  /** Glob patterns for the models that the key may not use. The deny list takes precedence over the allow list. */
  readonly denyModels: readonly string[];
  readonly quota: EmulatedQuota;
}

/** Properties of a key that {@link EmulatedKeys.update} can change. */
export interface EmulatedKeyChanges {
  /** When the key expires; null if it never expires. */
  readonly expiresAt?: Date | string | null | undefined;
  readonly disabled?: boolean | undefined;
  /** Glob patterns for the models that the key may use. `**` matches slashes, `*` does not. */
  readonly allowModels?: readonly string[] | undefined;
  /** Glob patterns for the models that the key may not use. The deny list takes precedence over the allow list. */
  readonly denyModels?: readonly string[] | undefined;
  /** Total number of tokens that the key may use, including the tokens already used. */
  readonly quota?: number | 'unlimited' | undefined;
}

/** The properties of a key to create. */
export interface NewEmulatedKey extends EmulatedKeyChanges {
  readonly name: string;
  /** The full key, for tests that need a fixed value: printable ASCII without spaces. Default: a random key. */
  readonly key?: string | Secret | undefined;
  /** The workspace that owns the key. By default, the account owns the key. */
  readonly workspace?: number | undefined;
  /** Name of the user who created the key. Default: the owner of the access token. */
  readonly user?: string | undefined;
}

/** A key that has just been created, with the full key in `secret`. */
export interface CreatedEmulatedKey extends EmulatedKey {
  readonly secret: Secret;
}

/**
 * The keys that currently exist, oldest first. Use these methods to set up a test; they send no requests and are not
 * affected by faults.
 */
export interface EmulatedKeys extends Iterable<EmulatedKey> {
  /**
   * Creates a key.
   *
   * @throws {RangeError} If the key limit (`maxKeys`) has been reached, or if the full key already exists.
   * @throws {TypeError} If a field is invalid.
   */
  readonly create: (key: NewEmulatedKey) => CreatedEmulatedKey;
  /**
   * Changes a key. The control plane has no endpoint that changes the model lists.
   *
   * @throws {RangeError} If no such key exists.
   * @throws {TypeError} If a field is invalid.
   */
  readonly update: (id: string, changes: EmulatedKeyChanges) => EmulatedKey;
  /** Deletes a key. @throws {RangeError} If no such key exists. */
  readonly delete: (id: string) => void;
}

export function keyView(record: KeyRecord, now: number): EmulatedKey {
  return {
    id: record.id,
    name: record.name,
    maskedKey: record.secret.masked,
    ...(record.scope !== 'account' && { workspace: record.scope }),
    createdBy: record.createdBy,
    createdAt: new Date(record.createdAt),
    ...(record.expiresAt !== Number.POSITIVE_INFINITY && { expiresAt: new Date(record.expiresAt) }),
    expired: record.expiresAt <= now,
    disabled: record.disabled,
    ...(record.lastUsedAt !== undefined && { lastUsedAt: new Date(record.lastUsedAt) }),
    allowModels: [...record.allowModels],
    denyModels: [...record.denyModels],
    quota: {
      limit: asNumber(record.quota),
      used: Number(record.usedTokens),
      remaining: asNumber(remainingTokens(record)),
    },
  };
}

/** Returns whether a key has the given id, name or full key. */
export function isKey(record: KeyRecord, key: string | Secret): boolean {
  return record.id === key || record.name === key || record.secret.equals(key);
}

/** Wraps a reference to a key in a `Secret` if it may be a full key. */
export function concealed(key: string | Secret | undefined): string | Secret | undefined {
  return typeof key === 'string' && key.startsWith('sk-') ? new Secret(key) : key;
}

export function emulatedKeys(account: Account, now: () => number): EmulatedKeys {
  const known = (id: string): KeyRecord => {
    const record = account.find(id);
    if (record === undefined) throw new RangeError('drun.keys: no key has this id.');
    return record;
  };
  return {
    *[Symbol.iterator]() {
      for (const record of account.list()) yield keyView(record, now());
    },
    create({ name, key, workspace, user, ...changes }) {
      const fullKey = isSecret(key) ? key.reveal() : key;
      check('drun.keys', newKey, { name, key, workspace, user, ...changes });
      const scope: Scope = workspace ?? 'account';
      if (account.isFull(scope)) throw new RangeError('drun.keys: the key limit (`maxKeys`) is reached.');
      if (fullKey !== undefined && account.list().some(({ secret }) => secret.equals(fullKey))) {
        throw new RangeError('drun.keys: another key has the same `key`.');
      }
      const given = { name, scope, fullKey, createdBy: user ?? OWNER };
      const record = account.create({ ...given, ...changesOf(changes) });
      return { ...keyView(record, now()), secret: record.secret };
    },
    update(id, changes) {
      const record = known(id);
      check('drun.keys', keyChanges, changes);
      Object.assign(record, changesOf(changes));
      return keyView(record, now());
    },
    delete(id) {
      account.delete(known(id));
    },
  };
}

function changesOf({ expiresAt, quota, ...changes }: EmulatedKeyChanges): Partial<KeyRecord> {
  const time = expiresAt === null ? Number.POSITIVE_INFINITY : expiresAt && new Date(expiresAt).getTime();
  const given = { ...changes, expiresAt: time, quota: typeof quota === 'number' ? BigInt(quota) : quota };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function asNumber(quota: bigint | 'unlimited'): number | 'unlimited' {
  return quota === 'unlimited' ? quota : Number(quota);
}
