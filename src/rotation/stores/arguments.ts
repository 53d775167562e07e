import { ConfigurationError } from '../../errors/index.ts';

/** Names of columns, keys, folders and entries are made of it, and none of these needs to escape it. */
const RING = /^[a-z\d-]{1,10}$/;

/** A record has a few kilobytes; every store has room for this. */
const LARGEST_VALUE = 65_536;

/** Longer timers fire at once. */
const LONGEST_TIMER = 2_147_483_647;

const encoder = /* @__PURE__ */ new TextEncoder();

/** Whether a ring can be called so. */
export function isRing(text: string): boolean {
  return typeof text === 'string' && RING.test(text);
}

/** @throws ConfigurationError if no ring can be called so. */
export function checkRing(ring: string): void {
  if (!isRing(ring)) {
    throw new ConfigurationError('ring must be 1 to 10 of a to z, 0 to 9 and -', { option: 'ring' });
  }
}

/**
 * Checks what a swap is given. Whatever passes comes back from every store as it went in.
 *
 * @throws ConfigurationError that names the argument; it does not repeat the value.
 */
export function checkSwap(ring: string, expected: string | null, value: string): void {
  checkRing(ring);
  if (expected !== null && typeof expected !== 'string') {
    throw new ConfigurationError('expected must be the version that was read, or null', {
      option: 'expected',
    });
  }
  // UTF-8 has no form for half a surrogate pair, and PostgreSQL none for U+0000.
  if (typeof value !== 'string' || !value.isWellFormed() || value.includes('\0')) {
    throw new ConfigurationError('value must be a well-formed text without U+0000', { option: 'value' });
  }
  if (encoder.encode(value).length > LARGEST_VALUE) {
    throw new ConfigurationError(`value must have at most ${LARGEST_VALUE} bytes as UTF-8`, {
      option: 'value',
    });
  }
}

/** @throws ConfigurationError if a function cannot be one. */
export function checkFunction(value: unknown, option: string): void {
  if (typeof value !== 'function') {
    throw new ConfigurationError(`${option} must be a function`, { option });
  }
}

/** Milliseconds for a timer, checked. */
export function validMilliseconds(value: number, option: string): number {
  if (typeof value !== 'number' || !(value > 0 && value <= LONGEST_TIMER)) {
    throw new ConfigurationError(
      `${option} must be a number of milliseconds above 0 and up to ${LONGEST_TIMER}`,
      { option },
    );
  }
  return value;
}
