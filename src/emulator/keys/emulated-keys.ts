import type { Secret } from '../../secret/secret.ts';
import type { EmulatorOptions } from '../options.ts';
import { type EmulatedKey, emulatedKey } from './emulated-key.ts';
import { isWorkspace, type KeyRecord, setQuota } from './key-record.ts';
import type { KeyVault } from './key-vault.ts';
import type { Users } from './users.ts';

/** What of a key can be changed without a request, by {@link EmulatedKeys.update}. */
export interface EmulatedKeyChanges {
  /** From when on the data plane refuses the key; null for never. */
  readonly expiresAt?: Date | null | undefined;
  readonly disabled?: boolean | undefined;
  /** The models that it may call, as globs: `*` is any name without a slash, `**` any name. */
  readonly allowModels?: readonly string[] | undefined;
  /** The models that it may not call, as globs; a deny beats an allow. */
  readonly denyModels?: readonly string[] | undefined;
  /** How many tokens it may use in all, those included that it has used. */
  readonly quota?: number | 'unlimited' | undefined;
}

/** A key to be made without a request, by {@link EmulatedKeys.create}. */
export interface NewEmulatedKey extends EmulatedKeyChanges {
  readonly name: string;
  /** The number of a workspace, for a key of that. Default: a key of the account. */
  readonly workspace?: number | undefined;
  /** The name of the user whose key it is; made where there is none. Default: who `accessToken` belongs to. */
  readonly user?: string | undefined;
}

/** A key that has just been made. */
export interface CreatedEmulatedKey extends EmulatedKey {
  readonly secret: Secret;
}

/**
 * The keys that exist at the moment of iterating, oldest first. The methods do what a test wants to find done: they
 * need no request, and no fault meets them.
 */
export interface EmulatedKeys extends Iterable<EmulatedKey> {
  /** @throws RangeError if there are as many keys as {@link EmulatorOptions.maxKeys} allows; TypeError that names a field that is wrong. */
  readonly create: (key: NewEmulatedKey) => CreatedEmulatedKey;
  /**
   * Changes a key. No request can set its lists of models.
   *
   * @throws RangeError if there is no such key; TypeError that names a field that is wrong.
   */
  readonly update: (id: string, changes: EmulatedKeyChanges) => EmulatedKey;
  /** @throws RangeError if there is no such key. */
  readonly delete: (id: string) => void;
}

export function emulatedKeys(vault: KeyVault, users: Users, now: () => number): EmulatedKeys {
  const known = (id: string): KeyRecord => {
    const record = vault.find(id);
    if (record === undefined) throw new RangeError('drun.keys: there is no key with this id');
    return record;
  };
  return {
    *[Symbol.iterator]() {
      for (const record of vault.keys()) yield emulatedKey(record, now());
    },
    create({ name, workspace, user, ...changes }) {
      check('name', typeof name === 'string' && name !== '', 'a text that is not empty');
      check('workspace', workspace === undefined || isWorkspace(workspace), 'a whole number from 1');
      check('user', user === undefined || (typeof user === 'string' && user !== ''), 'a name');
      checkChanges(changes);
      const scope = workspace ?? 'account';
      if (vault.isFull(scope)) throw new RangeError('drun.keys: the limit of keys is reached');
      const owner = user === undefined ? users.owner : users.named(user).user;
      const expiresAt = Number.POSITIVE_INFINITY;
      const record = vault.create({ name, scope, owner, expiresAt, quota: 'unlimited' });
      apply(record, changes, now());
      return { ...emulatedKey(record, now()), secret: record.secret };
    },
    update(id, changes) {
      const record = known(id);
      checkChanges(changes);
      apply(record, changes, now());
      return emulatedKey(record, now());
    },
    delete(id) {
      vault.delete(known(id));
    },
  };
}

function apply(record: KeyRecord, changes: EmulatedKeyChanges, now: number): void {
  const { expiresAt, disabled, allowModels, denyModels, quota } = changes;
  if (expiresAt !== undefined) record.expiresAt = expiresAt?.getTime() ?? Number.POSITIVE_INFINITY;
  if (disabled !== undefined) record.disabled = disabled;
  if (allowModels !== undefined) record.allowModels = [...allowModels];
  if (denyModels !== undefined) record.denyModels = [...denyModels];
  if (quota !== undefined) setQuota(record, quota === 'unlimited' ? quota : BigInt(quota), now);
}

function checkChanges({ expiresAt, disabled, allowModels, denyModels, quota }: EmulatedKeyChanges): void {
  const isDate = expiresAt instanceof Date && !Number.isNaN(expiresAt.getTime());
  check('expiresAt', expiresAt === undefined || expiresAt === null || isDate, 'a valid Date');
  check('disabled', disabled === undefined || typeof disabled === 'boolean', 'a boolean');
  check('allowModels', allowModels === undefined || areTexts(allowModels), 'an array of globs');
  check('denyModels', denyModels === undefined || areTexts(denyModels), 'an array of globs');
  const isQuota = quota === undefined || quota === 'unlimited' || (Number.isSafeInteger(quota) && quota >= 0);
  check('quota', isQuota, 'a whole number from 0, or unlimited');
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string' && item !== '');
}

function check(field: string, holds: boolean, expected: string): void {
  if (!holds) throw new TypeError(`drun.keys: \`${field}\` must be ${expected}`);
}
