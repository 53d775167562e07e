import { ConfigurationError, isDrunError, ReplacementFailedError } from '../errors/index.ts';
import { checkOptions } from '../errors/invalid.ts';
import type { CallOptions } from '../http/call.ts';
import { mergeOptions } from '../http/options.ts';
import { checkPathSegment, createFields, toCreateBody } from './endpoints.ts';
import { type FetchPage, readAll } from './list.ts';
import type { CreatedApiKey, CreateWorkspaceApiKeyInput, DeletedApiKey, ReplacementApiKey } from './types.ts';

/** The client methods needed to replace a key. */
interface Keys<Input> {
  create(input: Input, options: CallOptions): PromiseLike<CreatedApiKey>;
  delete(id: string, options: CallOptions): PromiseLike<DeletedApiKey>;
}

/** Deletes the old key before creating a new one, so that the old key no longer works or counts toward the limit. */
export async function replaceKey<Input extends CreateWorkspaceApiKeyInput>(
  keys: Keys<Input>,
  fetchPage: FetchPage,
  id: string,
  input: Partial<Input>,
  isWorkspace: boolean,
  options: CallOptions,
): Promise<ReplacementApiKey> {
  checkPathSegment(id, 'id');
  checkOptions(input, createFields(isWorkspace), 'The second argument of replace()');
  const toInput = (settings: object): Input => mergeOptions(settings as Input, input);
  // Invalid input must be rejected before the key is deleted.
  toCreateBody(toInput({ name: 'unknown yet' }), isWorkspace);
  // The response to the deletion may be lost or lack the key's settings. If listing fails, the key is deleted anyway.
  const list = await readAll({}, fetchPage).catch((error: unknown) => {
    if (error instanceof ConfigurationError) throw error;
  });
  const listed = list?.data.items.find((key) => key.id === id);
  const known = listed ? inherit(listed, isWorkspace) : {};
  if (listed) toCreateBody(toInput(known), isWorkspace);
  const deleted = await keys.delete(id, options);
  try {
    const created = await keys.create(toInput({ ...known, ...inherit(deleted, isWorkspace) }), options);
    return { ...created, replaced: { ...listed, ...deleted } };
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    // Only this package's own error messages are guaranteed to contain no credentials.
    const reason = isDrunError(error) ? ` ${error.message}` : '';
    const message = `The key was deleted, but no new one was created.${reason}`;
    throw new ReplacementFailedError(message, { deletedId: id, cause: error });
  }
}

/** Returns the settings that a new key inherits. The new key must neither outlive the old one nor allow more tokens. */
function inherit(key: DeletedApiKey, isWorkspace: boolean): Partial<CreateWorkspaceApiKeyInput> {
  const { name, expired, expiresAt } = key;
  const remaining = isWorkspace ? key.quota?.remaining : undefined;
  // The remaining quota is negative if a key has used more than its quota.
  const quota = typeof remaining === 'number' ? Math.max(0, remaining) : remaining;
  return {
    ...(name && { name }),
    ...(!expired && expiresAt && { expiresAt }),
    ...(quota !== undefined && { quota }),
  };
}
