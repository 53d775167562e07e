import { isDrunError, ReplacementFailedError } from '../errors/index.ts';
import type { CallOptions } from '../http/call.ts';
import { mergeOptions } from '../http/options.ts';
import { toCreateBody } from './endpoints.ts';
import type { CreatedApiKey, CreateWorkspaceApiKeyInput, DeletedApiKey, ReplacementApiKey } from './types.ts';

/** The part of a client that replaces keys. */
interface Keys<Input> {
  create(input: Input, options: CallOptions): PromiseLike<CreatedApiKey>;
  delete(id: string, options: CallOptions): PromiseLike<DeletedApiKey>;
}

/** Deletes a key, which stops working at once and frees its place in a full account, and then creates another one. */
export async function replaceKey<Input extends CreateWorkspaceApiKeyInput>(
  keys: Keys<Input>,
  id: string,
  input: Partial<Input>,
  isWorkspace: boolean,
  options: CallOptions,
): Promise<ReplacementApiKey> {
  // Invalid input has to be rejected before the key is deleted.
  toCreateBody(mergeOptions({ name: 'unknown yet' } as Input, input), isWorkspace);
  const replaced = await keys.delete(id, options);
  try {
    const created = await keys.create(mergeOptions(inherit(replaced, isWorkspace) as Input, input), options);
    return { ...created, replaced };
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    // Only the messages of this package are known to contain no credential.
    const reason = isDrunError(error) ? ` ${error.message}` : '';
    const message = `The key was deleted, but no other one was created.${reason}`;
    throw new ReplacementFailedError(message, { deletedId: id, cause: error });
  }
}

/** The settings that a replacement keeps: it must not live longer or allow more tokens than the key it replaces. */
function inherit(deleted: DeletedApiKey, isWorkspace: boolean): Partial<CreateWorkspaceApiKeyInput> {
  const { name, expired, expiresAt } = deleted;
  const remaining = isWorkspace ? deleted.quota?.remaining : undefined;
  // A key that has used more than its quota can have a negative remainder.
  const quota = typeof remaining === 'number' ? Math.max(0, remaining) : remaining;
  return {
    ...(name && { name }),
    ...(!expired && expiresAt && { expiresAt }),
    ...(quota !== undefined && { quota }),
  };
}
