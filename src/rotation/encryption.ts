import { check } from '../errors/invalid.ts';
import { isByteArray } from '../internal/checks.ts';
import { Secret } from '../secret/secret.ts';
import type { RingKey } from './record.ts';
import { ringError, safeCause } from './safe-cause.ts';

/** The ring and key that a ciphertext belongs to. */
export interface EncryptionContext {
  readonly ring: string;
  readonly ringId: string;
  /** Sequence number of the key within the ring. */
  readonly seq: number;
}

/** Custom encryption, for example with a key management service. */
export interface CustomEncryption {
  /**
   * Encrypts a secret. Must bind the ciphertext to `context` (as additional authenticated data or an encryption
   * context), so that the ciphertext cannot be used for another ring or key.
   */
  readonly encrypt: (secret: string, context: EncryptionContext) => string | Promise<string>;
  /** Decrypts a ciphertext from {@link CustomEncryption.encrypt}. Rejects on failure. */
  readonly decrypt: (ciphertext: string, context: EncryptionContext) => string | Promise<string>;
}

/** An encryption key: 32 bytes, raw or in base64 (`openssl rand -base64 32`). */
export type EncryptionKey = Uint8Array | string;

/** An encryption key, an array of keys (the first encrypts, all can decrypt), or custom encryption. */
export type EncryptionKeyOption = EncryptionKey | readonly EncryptionKey[] | CustomEncryption;

/** A decrypted secret, and whether it was encrypted with an outdated key. */
interface Decrypted<Value> {
  readonly secret: Value;
  readonly isOutdated: boolean;
}

interface Cipher extends Pick<CustomEncryption, 'encrypt'> {
  readonly decrypt: (...input: Parameters<CustomEncryption['decrypt']>) => Promise<Decrypted<string>>;
}

const FAILED = 'key_ring_decryption_failed';
/** Maximum number of cached secrets: a record has up to four keys, and earlier records may have had others. */
const MAX_CACHED = 16;

/** Encrypts and decrypts the secrets of one ring. */
export class RingEncryption {
  readonly #ring: string;
  readonly #cipher: Cipher;
  readonly #decrypted = new Map<string, Promise<Decrypted<Secret>>>();

  /** @throws {ConfigurationError} If `option` is invalid. The message does not contain the option's value. */
  constructor(ring: string, option: EncryptionKeyOption) {
    this.#ring = ring;
    this.#cipher = cipherFor(option);
  }

  /** Encrypts a secret. @throws {KeyRingError} With code `key_ring_decryption_failed`. */
  async encrypt(secret: Secret, ringId: string, seq: number): Promise<string> {
    const ring = this.#ring;
    try {
      const ciphertext: unknown = await this.#cipher.encrypt(secret.reveal(), { ring, ringId, seq });
      if (typeof ciphertext === 'string' && ciphertext !== '') return ciphertext;
      throw new TypeError('`encrypt` must return a non-empty string');
    } catch (thrown) {
      const cause = safeCause(thrown);
      throw ringError(ring, FAILED, `a secret could not be encrypted: ${cause.message}.`, [], cause);
    }
  }

  /** Decrypts a secret or returns the cached result. @throws {KeyRingError} With code `key_ring_decryption_failed`. */
  decrypt(key: RingKey, ringId: string): Promise<Decrypted<Secret>> {
    const id = JSON.stringify([ringId, key.seq, key.ciphertext]);
    const known = this.#decrypted.get(id);
    if (known !== undefined) return known;
    const decrypted = this.#decrypt(key, ringId);
    if (this.#decrypted.size >= MAX_CACHED) this.#decrypted.clear();
    this.#decrypted.set(id, decrypted);
    decrypted.catch(() => this.#decrypted.delete(id));
    return decrypted;
  }

  async #decrypt({ id, seq, ciphertext }: RingKey, ringId: string): Promise<Decrypted<Secret>> {
    const ring = this.#ring;
    try {
      const { secret, isOutdated } = await this.#cipher.decrypt(ciphertext, { ring, ringId, seq });
      return { secret: new Secret(secret), isOutdated };
    } catch (thrown) {
      const cause = safeCause(thrown);
      const message = `the secret of key ${id} could not be decrypted: ${cause.message}. Check that \`encryptionKey\` includes the encryption key that was used.`;
      throw ringError(ring, FAILED, message, [id], cause);
    }
  }
}

function cipherFor(option: EncryptionKeyOption): Cipher {
  const custom = (option ?? {}) as CustomEncryption;
  if (typeof custom.encrypt === 'function' && typeof custom.decrypt === 'function') {
    return {
      encrypt: (...input) => custom.encrypt(...input),
      decrypt: async (...input) => ({ secret: await custom.decrypt(...input), isOutdated: false }),
    };
  }
  const keys = (Array.isArray(option) ? option : [option]) as readonly EncryptionKey[];
  check(keys.length > 0, 'encryptionKey', KEY_RULE);
  return aesGcm(keys.map(keyBytes));
}

/** Prefix of every ciphertext, and part of the authenticated data. */
const FORMAT = 'gcm1';
const IV_LENGTH = 12;
const KEY_LENGTH = 32;
const KEY_RULE =
  'must be 32 bytes (a `Uint8Array` or base64 from `openssl rand -base64 32`), an array of such keys, or `{ encrypt, decrypt }`';

/** Creates an AES-256-GCM cipher that generates a random nonce for each ciphertext. */
function aesGcm(keys: readonly Uint8Array<ArrayBuffer>[]): Cipher {
  const importKey = (bytes: Uint8Array<ArrayBuffer>): Promise<CryptoKey> =>
    crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
  return {
    async encrypt(secret, context) {
      const key = await importKey(keys[0] as Uint8Array<ArrayBuffer>);
      const iv = crypto.getRandomValues(new Uint8Array(IV_LENGTH));
      const parameters = { name: 'AES-GCM', iv, additionalData: additionalData(context) };
      const encrypted = await crypto.subtle.encrypt(parameters, key, new TextEncoder().encode(secret));
      return `${FORMAT}.${toBase64Url(iv)}.${toBase64Url(new Uint8Array(encrypted))}`;
    },
    async decrypt(ciphertext, context) {
      const [format, ...parts] = ciphertext.split('.');
      const [iv, encrypted] = parts.map(fromBase64);
      if (format !== FORMAT || !iv || !encrypted) {
        throw new Error('this version of drun-sdk does not support the format of the ciphertext');
      }
      const parameters = { name: 'AES-GCM', iv, additionalData: additionalData(context) };
      for (const [index, bytes] of keys.entries()) {
        const key = await importKey(bytes);
        const secret = await crypto.subtle.decrypt(parameters, key, encrypted).catch(() => undefined);
        if (secret !== undefined) return { secret: new TextDecoder().decode(secret), isOutdated: index > 0 };
      }
      throw new Error('no encryption key matches, or the ciphertext was modified');
    },
  };
}

function additionalData({ ring, ringId, seq }: EncryptionContext): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(['drun-sdk key ring', FORMAT, ring, ringId, seq]));
}

function keyBytes(key: EncryptionKey): Uint8Array<ArrayBuffer> {
  const bytes = (typeof key === 'string' && fromBase64(key.trim())) || key;
  check(isByteArray(bytes) && bytes.length === KEY_LENGTH, 'encryptionKey', KEY_RULE);
  // Copied, so that later changes to the caller's array do not change the key.
  return Uint8Array.from(bytes as Uint8Array);
}

/** Decodes base64 or base64url, with or without padding. Returns `undefined` for anything else. */
function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/** Encodes bytes as base64url without padding. */
function toBase64Url(bytes: Uint8Array): string {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
