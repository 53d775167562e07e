import { isDrunError, ReplacementFailedError } from '../errors/index.ts';
import type {
  CreateApiKeyInput,
  CreatedApiKey,
  CreateWorkspaceApiKeyInput,
  DeletedApiKey,
  ReplacementApiKey,
} from './types.ts';

/** What a replacement consists of. */
interface ReplacementSteps<Input extends CreateApiKeyInput> {
  /** Throws if the input cannot be used. */
  readonly check: (input: Input) => unknown;
  /** The settings of a deleted key that its replacement inherits. */
  readonly inherit: (deleted: DeletedApiKey) => Partial<Input>;
  readonly deleteKey: (id: string) => PromiseLike<DeletedApiKey>;
  readonly createKey: (input: Input) => PromiseLike<CreatedApiKey>;
}

/**
 * Deletes a key, which stops it from working at once and frees its place in a full account, and then creates another
 * one.
 *
 * @throws {ReplacementFailedError} If the key was deleted and no other one was created.
 */
export async function replaceKey<Input extends CreateApiKeyInput>(
  id: string,
  input: Partial<Input>,
  { check, inherit, deleteKey, createKey }: ReplacementSteps<Input>,
  signal: AbortSignal | undefined,
): Promise<ReplacementApiKey> {
  const given = Object.fromEntries(
    Object.entries(input).filter(([, value]) => value !== undefined),
  ) as Partial<Input>;
  // Invalid input has to be rejected before the key is deleted.
  check({ name: 'unknown yet', ...given } as Input);
  const replaced = await deleteKey(id);
  try {
    const created = await createKey({ ...inherit(replaced), ...given } as Input);
    return { ...created, replaced };
  } catch (error) {
    signal?.throwIfAborted();
    // Only the messages of this package are known to contain no credential.
    const reason = isDrunError(error) ? ` ${error.message}` : '';
    throw new ReplacementFailedError(`The key was deleted, but no other one was created.${reason}`, {
      deletedId: id,
      cause: error,
    });
  }
}

/** Name and expiry, unless the key has expired. */
export function inheritSettings({ name, expired, expiresAt }: DeletedApiKey): Partial<CreateApiKeyInput> {
  return { ...(name && { name }), ...(!expired && expiresAt && { expiresAt }) };
}

/** The same, and what remains of the quota: a replacement must not allow more tokens than the key it replaces. */
export function inheritSettingsAndQuota(deleted: DeletedApiKey): Partial<CreateWorkspaceApiKeyInput> {
  const remaining = deleted.quota?.remaining;
  // A key that has used more than its quota can have a negative rest.
  const quota = typeof remaining === 'number' ? Math.max(0, remaining) : remaining;
  return { ...inheritSettings(deleted), ...(quota !== undefined && { quota }) };
}
