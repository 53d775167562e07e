import { checkOptions } from '../errors/invalid.ts';
import type { Secret } from '../secret/secret.ts';
import { RingEncryption } from './encryption.ts';
import type { KeyRingOptions } from './options.ts';
import { parseRecord } from './record.ts';
import { checkRing } from './stores/store.ts';

/**
 * Decrypts the current key in a record, for stores that also write the key in plain text, such as
 * `kubernetesSecretStore` with `entries`. Sends no request, so the record may be outdated and the key revoked.
 *
 * @returns The key, or `undefined` if the ring has no current key.
 * @throws {KeyRingError} With code `key_ring_record_invalid` or `key_ring_decryption_failed`.
 *
 * @example
 * ```ts
 * import { openCurrentKey } from 'drun-sdk/rotation';
 * import { kubernetesSecretStore } from 'drun-sdk/rotation/kubernetes';
 *
 * const encryptionKey = process.env.DRUN_ENCRYPTION_KEY ?? '';
 * const store = kubernetesSecretStore({
 *   name: 'drun-key-rings',
 *   entries: async (ring, record) => {
 *     const key = await openCurrentKey(ring, record, { encryptionKey });
 *     return key ? { [`${ring}.key`]: key.reveal() } : {};
 *   },
 * });
 * ```
 */
export async function openCurrentKey(
  ring: string,
  record: string,
  options: Pick<KeyRingOptions, 'encryptionKey'>,
): Promise<Secret | undefined> {
  checkOptions(options, ['encryptionKey'], 'openCurrentKey()');
  checkRing(ring);
  const encryption = new RingEncryption(ring, options.encryptionKey);
  const { ringId, current } = parseRecord(ring, record);
  return current && (await encryption.decrypt(current, ringId)).secret;
}
