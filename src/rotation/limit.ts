import { ApiKeyLimitError, isDrunError } from '../errors/index.ts';
import type { ListedKey } from './ports.ts';

/** An {@link ApiKeyLimitError} with the ring's own keys on it; any other error as it is. */
export function addRingKeys(error: unknown, own: readonly ListedKey[]): unknown {
  if (!isDrunError(error) || error.code !== 'api_key_limit_reached') return error;
  const ringKeyIds = own.map(({ id }) => id);
  const itself = ringKeyIds.length === 0 ? 'none of them' : `${ringKeyIds.length} of them`;
  const limit = new ApiKeyLimitError(`${error.message}. The ring itself has ${itself}`, {
    ...error,
    ringKeyIds,
  });
  // Where it came from, with what it says now: consoles print the stack.
  return Object.assign(limit, { stack: error.stack?.replace(error.message, () => limit.message) });
}
