import { isDrunError, ReplacementFailedError } from '../errors/index.ts';
import type { CallOptions } from '../http/call.ts';
import { mergeOptions } from '../http/options.ts';
import type {
  CreateApiKeyInput,
  CreatedApiKey,
  CreateWorkspaceApiKeyInput,
  DeletedApiKey,
  ReplacementApiKey,
} from './types.ts';

/** The part of a client that replaces keys. */
interface Keys<Input> {
  create(input: Input, options: CallOptions): PromiseLike<CreatedApiKey>;
  delete(id: string, options: CallOptions): PromiseLike<DeletedApiKey>;
}

/** How keys of an account or workspace are created. */
export interface Creation<Input> {
  /** Throws `ConfigurationError` if the input cannot be used. */
  readonly toBody: (input: Input) => object;
  /** The settings of a deleted key that its replacement inherits. */
  readonly inherit: (deleted: DeletedApiKey) => Partial<Input>;
}

/** Deletes a key, which stops working at once and frees its place in a full account, and then creates another one. */
export async function replaceKey<Input extends CreateApiKeyInput>(
  keys: Keys<Input>,
  { toBody, inherit }: Creation<Input>,
  id: string,
  input: Partial<Input>,
  options: CallOptions,
): Promise<ReplacementApiKey> {
  // Invalid input has to be rejected before the key is deleted.
  toBody(mergeOptions({ name: 'unknown yet' } as Input, input));
  const replaced = await keys.delete(id, options);
  try {
    const created = await keys.create(mergeOptions(inherit(replaced) as Input, input), options);
    return { ...created, replaced };
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    // Only the messages of this package are known to contain no credential.
    const reason = isDrunError(error) ? ` ${error.message}` : '';
    const message = `The key was deleted, but no other one was created.${reason}`;
    throw new ReplacementFailedError(message, { deletedId: id, cause: error });
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
