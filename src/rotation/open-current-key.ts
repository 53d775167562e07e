import type { Secret } from '../secret/secret.ts';
import type { KeyRingOptions } from './options.ts';
import { parseRecord } from './record.ts';
import { RingSeal } from './ring-seal.ts';
import { sealOf } from './seal.ts';

/**
 * Opens the current key in the record of a ring, as a store holds it: for a store that is to have the key in clear beside
 * the record, as `entries` of `kubernetesSecretStore` does.
 *
 * Nothing else brings a key out of a record but the ring itself, which gives it to a client. Whoever has the sealing key
 * can do it; where the key goes then is up to the caller. Nothing is asked of the service or the store: the record may be
 * old, and its key revoked.
 *
 * @param ring - The ring's name.
 * @param record - The record, as the store was given it.
 * @returns the key, or undefined where the ring has none: before its first key, and after a revocation without a standby.
 * @throws KeyRingError of code `key_ring_record_invalid` where the text is no record, and `key_ring_decryption_failed` where the
 * key was sealed with another sealing key or for another ring. ConfigurationError where `encryptionKey` cannot be used.
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
  const seal = new RingSeal(ring, sealOf(options?.encryptionKey));
  const { ringId, current } = parseRecord(ring, record);
  if (current === undefined) return undefined;
  const { secret } = await seal.open(current, ringId);
  return secret;
}
