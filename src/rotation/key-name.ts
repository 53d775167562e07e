/*
 * What a ring calls its keys at the service: kr1-<ring>-<ringId>-<seq>-<nonce>, 32 characters at most, so that a listed
 * key says whose it is. The ring's name may have dashes in it; what follows has none.
 */

const BASE36 = '0123456789abcdefghijklmnopqrstuvwxyz';
const RING_ID_LENGTH = 5;
const NONCE_LENGTH = 6;

const KEY_NAME = /^kr1-([a-z\d-]{1,10})-([a-z\d]{5})-([a-z\d]{1,4})-([a-z\d]{6})$/;

/** What the name of a key says. */
export interface KeyName {
  readonly ring: string;
  readonly ringId: string;
  readonly seq: number;
}

/** @param random - Numbers from 0 to below 1. */
export function newRingId(random: () => number): string {
  return randomText(random, RING_ID_LENGTH);
}

/** A name that no other claim has: two of one number, of which one was forgotten, are not taken for each other. */
export function newKeyName({ ring, ringId, seq }: KeyName, random: () => number): string {
  return `kr1-${ring}-${ringId}-${seq.toString(36)}-${randomText(random, NONCE_LENGTH)}`;
}

/** Undefined for the names of other keys. */
export function parseKeyName(name: string): KeyName | undefined {
  const match = KEY_NAME.exec(name);
  if (match === null) return undefined;
  const [, ring, ringId, seq] = match as unknown as readonly [string, string, string, string];
  return { ring, ringId, seq: Number.parseInt(seq, 36) };
}

function randomText(random: () => number, length: number): string {
  return Array.from({ length }, () => BASE36.charAt(Math.floor(random() * BASE36.length))).join('');
}
