/*
 * Values of other realms (Jest, zone.js, vm contexts, iframes) and of second copies of a package have other classes,
 * so these checks look at what a value does instead of using `instanceof`.
 */

/** Longest delay of a timer in milliseconds; longer ones fire at once. */
export const MAX_TIMER_MS = 2_147_483_647;

export function isPrintableAscii(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

/** Of a host name as the URL parser writes it. */
export function isLoopback(hostname: string): boolean {
  return /^(?:localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

/** Whether a timer can wait so long. */
export function isTimerMs(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && value <= MAX_TIMER_MS;
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    'then' in value &&
    typeof value.then === 'function'
  );
}

export function isDate(value: unknown): value is Date {
  return Object.prototype.toString.call(value) === '[object Date]';
}

/** Whether a value is a `Uint8Array` or a subclass such as `Buffer`. */
export function isByteArray(value: unknown): value is Uint8Array {
  return Object.prototype.toString.call(value) === '[object Uint8Array]';
}
