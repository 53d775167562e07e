import { ConfigurationError } from '../errors/index.ts';

/** What a secret is sealed for; it cannot be opened for anything else. */
export interface EncryptionContext {
  readonly ring: string;
  readonly ringId: string;
  /** The key's number in the ring. */
  readonly seq: number;
}

/** A way of one's own to seal secrets, such as one that asks a key management service. */
export interface Encryption {
  /**
   * Makes a text of a secret that only {@link Encryption.decrypt} can read.
   *
   * @param context - Bind it in (as additional data, or an encryption context), so that a text cannot be moved to
   * another ring or another key.
   */
  readonly encrypt: (secret: string, context: EncryptionContext) => string | Promise<string>;
  /** Reads what {@link Encryption.encrypt} made; rejects where it cannot. */
  readonly decrypt: (ciphertext: string, context: EncryptionContext) => string | Promise<string>;
}

/** 32 bytes, as they are or in base64, such as `openssl rand -base64 32` writes. */
export type EncryptionKey = Uint8Array | string;

/**
 * How a ring seals its secrets: a key, or several of which the first seals and all open, so that the sealing key itself
 * can be replaced; or a way of one's own.
 */
export type EncryptionKeyOption = EncryptionKey | readonly EncryptionKey[] | Encryption;

/** What came out of a sealed text. */
interface Opened {
  readonly secret: string;
  /** Whether it was sealed with another key than the one that seals now. */
  readonly isOld: boolean;
}

/** Seals secrets and opens them. */
export interface Seal {
  readonly seal: (secret: string, context: EncryptionContext) => Promise<string>;
  /** Rejects where no key fits, or the text was changed; the reason repeats neither. */
  readonly open: (ciphertext: string, context: EncryptionContext) => Promise<Opened>;
}

/** @throws ConfigurationError if a key is none; the message does not repeat it. */
export function sealOf(option: EncryptionKeyOption): Seal {
  if (isEncryption(option)) return ownSeal(option);
  const keys = (Array.isArray(option) ? option : [option]) as readonly EncryptionKey[];
  if (keys.length === 0) throw invalid();
  return aesSeal(keys.map(keyBytes));
}

function isEncryption(option: EncryptionKeyOption): option is Encryption {
  const { encrypt, decrypt } = (option ?? {}) as Partial<Encryption>;
  return typeof encrypt === 'function' && typeof decrypt === 'function';
}

function ownSeal({ encrypt, decrypt }: Encryption): Seal {
  return {
    seal: async (secret, context) => encrypt(secret, context),
    open: async (ciphertext, context) => ({ secret: await decrypt(ciphertext, context), isOld: false }),
  };
}

/** Says which form a sealed text has, and is bound into it. */
const FORM = 'gcm1';
const IV_LENGTH = 12;
const KEY_LENGTH = 32;

/** AES-256-GCM, a fresh nonce for every text. */
function aesSeal(keys: readonly Uint8Array<ArrayBuffer>[]): Seal {
  let imported: Promise<CryptoKey[]> | undefined;
  const readKeys = (): Promise<CryptoKey[]> => {
    imported ??= Promise.all(
      keys.map((bytes) => crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt'])),
    );
    return imported;
  };
  return {
    async seal(secret, context) {
      const [key] = await readKeys();
      const iv = crypto.getRandomValues(new Uint8Array(IV_LENGTH));
      const parameters = { name: 'AES-GCM', iv, additionalData: additionalData(context) };
      const ciphertext = await crypto.subtle.encrypt(
        parameters,
        key as CryptoKey,
        new TextEncoder().encode(secret),
      );
      return `${FORM}.${toBase64(iv)}.${toBase64(new Uint8Array(ciphertext))}`;
    },
    async open(text, context) {
      const [form, iv, ciphertext] = text
        .split('.')
        .map((part, index) => (index === 0 ? part : fromBase64(part)));
      if (form !== FORM || !(iv instanceof Uint8Array) || !(ciphertext instanceof Uint8Array)) {
        throw new Error('the ciphertext secret is not of a form that this version knows');
      }
      const parameters = { name: 'AES-GCM', iv, additionalData: additionalData(context) };
      for (const [index, key] of (await readKeys()).entries()) {
        const secret = await crypto.subtle.decrypt(parameters, key, ciphertext).catch(() => undefined);
        if (secret !== undefined) return { secret: new TextDecoder().decode(secret), isOld: index > 0 };
      }
      throw new Error('none of the sealing keys opens the secret, or it was changed');
    },
  };
}

function additionalData({ ring, ringId, seq }: EncryptionContext): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(['drun-sdk key ring', FORM, ring, ringId, seq]));
}

function keyBytes(key: EncryptionKey): Uint8Array<ArrayBuffer> {
  const bytes = typeof key === 'string' ? fromBase64(key.trim()) : key;
  if (!(bytes instanceof Uint8Array) || bytes.length !== KEY_LENGTH) throw invalid();
  // A copy: what becomes of the caller's bytes does not matter.
  return Uint8Array.from(bytes);
}

function invalid(): ConfigurationError {
  const what =
    '32 bytes, as Uint8Array or in base64 (openssl rand -base64 32), a list of such, or { encrypt, decrypt }';
  return new ConfigurationError(`encryptionKey must be ${what}`, { option: 'encryptionKey' });
}

/** Also base64url, and without the signs at the end; undefined where it is neither. */
function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}
