import { ConfigurationError } from '../errors/index.ts';
import type { CallOptions } from '../http/call.ts';
import { checkOptions } from '../http/options.ts';
import { wireTime } from './wire-time.ts';

/** What a new key is to be. */
export interface CreateApiKeyInput {
  /** A name that says what the key is for: one key for each project. */
  readonly name: string;
  /** From when on the service refuses it. Default: never. */
  readonly expiresAt?: Date | undefined;
}

/** What a new key of a workspace is to be. */
export interface CreateWorkspaceApiKeyInput extends CreateApiKeyInput {
  /** How many tokens it may use, 0 or more. Default: the service's own. */
  readonly quota?: number | 'unlimited' | undefined;
}

/** The last argument of `create`. */
export interface CreateApiKeyOptions extends CallOptions {
  /**
   * Whether a create whose answer was lost is settled by looking for its key. Without, it is an
   * {@link UnknownOutcomeError} at once. Default: true.
   */
  readonly settle?: boolean | undefined;
}

/** A new key as the wire has it. */
export interface NewKey {
  readonly name: string;
  readonly expireTime?: string;
  readonly quota?: string;
  readonly unlimitedQuota?: boolean;
}

/** @throws ConfigurationError if the input cannot be used. */
export function newAccountKey(input: CreateApiKeyInput): NewKey {
  // Plain JavaScript may ask for what only workspaces have.
  const { quota } = (input ?? {}) as CreateWorkspaceApiKeyInput;
  if (quota !== undefined) {
    throw new ConfigurationError('quota: only the keys of a workspace have one', { option: 'quota' });
  }
  return newKey(input);
}

/** @throws ConfigurationError if the input cannot be used. */
export function newWorkspaceKey(input: CreateWorkspaceApiKeyInput): NewKey {
  const key = newKey(input);
  const { quota } = input;
  if (quota === undefined) return key;
  return quota === 'unlimited' ? { ...key, unlimitedQuota: true } : { ...key, quota: int64(quota) };
}

function newKey(input: CreateApiKeyInput): NewKey {
  checkOptions(input, ['name', 'expiresAt', 'quota'], 'create()');
  const { name, expiresAt } = input;
  if (typeof name !== 'string' || name.trim() === '') {
    throw new ConfigurationError('name must be a text that is not empty', { option: 'name' });
  }
  if (expiresAt === undefined) return { name };
  return { name, expireTime: wireTime(expiresAt, 'expiresAt') };
}

/** A limit of tokens as the wire has it. */
export function int64(quota: number): string {
  if (!(Number.isSafeInteger(quota) && quota >= 0)) {
    throw new ConfigurationError("quota must be a whole number, 0 or more, or 'unlimited'", {
      option: 'quota',
    });
  }
  return String(quota);
}
