import { KeyRingError } from '../errors/index.ts';
import { Secret } from '../secret/secret.ts';
import { failureCause } from './failure-cause.ts';
import type { RingKey } from './record.ts';
import type { Seal } from './seal.ts';

/** The seal of one ring. */
export class RingSeal {
  readonly #ring: string;
  readonly #seal: Seal;

  constructor(ring: string, seal: Seal) {
    this.#ring = ring;
    this.#seal = seal;
  }

  /** @throws KeyRingError where it cannot be ciphertext. */
  async seal(secret: Secret, ringId: string, seq: number): Promise<string> {
    try {
      const ciphertext: unknown = await this.#seal.seal(secret.reveal(), { ring: this.#ring, ringId, seq });
      // A record with anything else could never be read again.
      if (typeof ciphertext === 'string' && ciphertext !== '') return ciphertext;
      throw new TypeError('seal() gave no text');
    } catch (thrown) {
      const cause = failureCause(thrown);
      throw new KeyRingError(`a secret of the ring ${this.#ring} cannot be ciphertext: ${cause.message}`, {
        code: 'key_ring_decryption_failed',
        ring: this.#ring,
        cause,
      });
    }
  }

  /** @throws KeyRingError where it cannot be opened. */
  async open(
    { id, ciphertext, seq }: RingKey,
    ringId: string,
  ): Promise<{ readonly secret: Secret; readonly isOld: boolean }> {
    try {
      const { secret, isOld } = await this.#seal.open(ciphertext, { ring: this.#ring, ringId, seq });
      return { secret: new Secret(secret), isOld };
    } catch (thrown) {
      const cause = failureCause(thrown);
      const message = `the secret of the key ${id} of the ring ${this.#ring} cannot be opened: ${cause.message}. Is encryptionKey the key that it was encrypted with?`;
      throw new KeyRingError(message, {
        code: 'key_ring_decryption_failed',
        ring: this.#ring,
        keyIds: [id],
        cause,
      });
    }
  }
}
