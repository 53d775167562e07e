import type { ListedKey } from './interfaces.ts';

/* Key names have the form kr1-<ring>-<ringId>-<seq>-<nonce> and at most 32 characters. Only <ring> may have dashes. */

const BASE36 = '0123456789abcdefghijklmnopqrstuvwxyz';
const RING_ID_LENGTH = 5;
const NONCE_LENGTH = 6;
/** Longer ring names are shortened, so that key names with a `seq` of up to 1,679,615 fit in 32 characters. */
const MAX_LABEL_LENGTH = 10;
const LABEL_START_LENGTH = 4;

const KEY_NAME = /^kr1-([a-z\d-]{1,10})-([a-z\d]{5})-([a-z\d]+)-([a-z\d]{6})$/;

/** A listed key that belongs to this ring or to another ring with the same name. */
export interface OwnKey extends ListedKey {
  readonly name: string;
  readonly ringId: string;
  readonly seq: number;
}

/** Generates a ring id. @param random - Returns numbers from 0 (inclusive) to 1 (exclusive). */
export function newRingId(random: () => number): string {
  return randomString(random, RING_ID_LENGTH);
}

/** Generates a key name that is unique even if an abandoned claim had the same number. */
export function newKeyName(ring: string, ringId: string, seq: number, random: () => number): string {
  return `kr1-${labelOf(ring)}-${ringId}-${seq.toString(36)}-${randomString(random, NONCE_LENGTH)}`;
}

/** Returns the keys that belong to rings with the given name. */
export function ownKeys(ring: string, keys: readonly ListedKey[]): OwnKey[] {
  const label = labelOf(ring);
  return keys.flatMap((key) => {
    const { name = '' } = key;
    const [, keyLabel, ringId = '', seq = ''] = KEY_NAME.exec(name) ?? [];
    return keyLabel === label ? [{ ...key, name, ringId, seq: Number.parseInt(seq, 36) }] : [];
  });
}

function labelOf(ring: string): string {
  return ring.length <= MAX_LABEL_LENGTH ? ring : ring.slice(0, LABEL_START_LENGTH) + hash(ring);
}

/** Returns six characters of an FNV-1a hash, enough for one account. If hashes collide, the ring ids still differ. */
function hash(text: string): string {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return (value >>> 0).toString(36).padStart(7, '0').slice(-6);
}

function randomString(random: () => number, length: number): string {
  return Array.from({ length }, () => BASE36.charAt(Math.floor(random() * BASE36.length))).join('');
}
