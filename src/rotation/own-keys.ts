import { isDrunError } from '../errors/index.ts';
import { parseKeyName } from './key-name.ts';
import type { KeyManager, ListedKey } from './ports.ts';

/** A listed key of a ring of this name. */
export interface OwnKey extends ListedKey {
  readonly ringId: string;
  readonly seq: number;
}

/** The keys that the service lists of all rings of a name. */
export async function* ownKeys(
  manager: KeyManager,
  ring: string,
  signal: AbortSignal,
): AsyncGenerator<OwnKey> {
  for await (const key of manager.list({}, { signal })) {
    const name = parseKeyName(key.name);
    if (name?.ring === ring) yield { ...key, ringId: name.ringId, seq: name.seq };
  }
}

/** Deletes a key. One that is gone already is as good as deleted. */
export async function deleteKey(manager: KeyManager, id: string, signal: AbortSignal): Promise<void> {
  try {
    await manager.delete(id, { signal });
  } catch (error) {
    if (!isDrunError(error) || error.code !== 'not_found') throw error;
  }
}
