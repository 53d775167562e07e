/*
 * Values of other realms (Jest, zone.js, vm contexts, iframes) and of second copies of a package have other classes,
 * so these checks look at what a value does instead of using `instanceof`.
 */

/** Longest delay of a timer in milliseconds; longer ones fire at once. */
export const MAX_TIMER_MS = 2_147_483_647;

const PRINTABLE_ASCII = /^[\x21-\x7e]+$/;

/** `localhost`, names below it, 127.0.0.0/8 and ::1, as the URL parser writes them. */
const LOOPBACK = /^(?:localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** Whether a string is not empty and has only printable ASCII characters without spaces, as a token in a header must. */
export function isPrintableAscii(text: string): boolean {
  return PRINTABLE_ASCII.test(text);
}

/** Whether a URL's host name is this machine. */
export function isLoopback(hostname: string): boolean {
  return LOOPBACK.test(hostname);
}

/** Whether a value is a number of milliseconds that a timer can wait, above 0. */
export function isTimerMs(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && value <= MAX_TIMER_MS;
}

/** Whether a value is a promise or another thenable. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    'then' in value &&
    typeof value.then === 'function'
  );
}

/** Whether a value is a `Date`, valid or not. */
export function isDate(value: unknown): value is Date {
  return Object.prototype.toString.call(value) === '[object Date]';
}

/** Whether a value is a `Uint8Array` or a subclass such as `Buffer`. */
export function isByteArray(value: unknown): value is Uint8Array {
  return Object.prototype.toString.call(value) === '[object Uint8Array]';
}
