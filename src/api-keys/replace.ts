import { isDrunError, ReplacementFailedError } from '../errors/index.ts';
import type { CreatedApiKey, DeletedApiKey } from './api-key.ts';
import { isTold } from './last-use.ts';
import type { CreateApiKeyInput, NewKey } from './new-key.ts';

/** How the keys of a scope are made. */
export interface KeyMaking<Input extends CreateApiKeyInput> {
  /** @throws ConfigurationError if the input cannot be used. */
  readonly newKey: (input: Input) => NewKey;
  /** What a key that takes the place of another one has from it. */
  readonly inherited: (deleted: DeletedApiKey) => Partial<Input>;
}

/** What a replacement consists of. */
export interface ReplacementSteps<Input extends CreateApiKeyInput> extends KeyMaking<Input> {
  readonly deleteKey: (id: string) => Promise<DeletedApiKey>;
  readonly createKey: (make: () => NewKey) => Promise<CreatedApiKey>;
}

/**
 * Deletes first: from then on the old key is refused, and where there is a limit its place is free.
 *
 * @throws ReplacementFailedError if the old key is gone and none was made in its place.
 */
export async function replaceKey<Input extends CreateApiKeyInput>(
  { newKey, inherited, deleteKey, createKey }: ReplacementSteps<Input>,
  id: string,
  input: Partial<Input>,
  signal: AbortSignal | undefined,
): Promise<CreatedApiKey> {
  const given = Object.fromEntries(
    Object.entries(input).filter(([, value]) => value !== undefined),
  ) as Partial<Input>;
  // What cannot be created must be refused before anything is deleted.
  newKey({ name: 'any', ...given } as Input);
  const deleted = await deleteKey(id);
  try {
    return await createKey(() => newKey({ ...inherited(deleted), ...given } as Input));
  } catch (error) {
    signal?.throwIfAborted();
    // What others throw may repeat anything.
    const reason = isDrunError(error) ? `: ${error.message}` : '';
    throw new ReplacementFailedError(`the key is gone, and none was made in its place${reason}`, {
      deletedId: deleted.id,
      cause: error,
    });
  }
}

/** What every key has from the one whose place it takes; a time of expiry that has passed is not worth having. */
export function inheritedByAny({ name, expired, expiresAt }: DeletedApiKey): Partial<CreateApiKeyInput> {
  return { ...(name && { name }), ...(!expired && isTold(expiresAt) && { expiresAt }) };
}
