// `instanceof` would fail for values from other realms (Jest, zone.js, vm contexts, iframes).

/** Maximum delay of a timer, in milliseconds. Timers with a longer delay fire immediately. */
export const MAX_TIMER_MS = 2_147_483_647;

export function isPrintableAscii(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

/** Whether a host name, as normalized by the URL parser, is a loopback address. */
export function isLoopback(hostname: string): boolean {
  return /^(?:localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

/** Whether a value is a delay in milliseconds that timers support. */
export function isTimerMs(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && value <= MAX_TIMER_MS;
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof Object(value).then === 'function';
}

export function isDate(value: unknown): value is Date {
  return Object.prototype.toString.call(value) === '[object Date]';
}

/** Whether a value is a `Uint8Array` or a subclass such as `Buffer`. */
export function isByteArray(value: unknown): value is Uint8Array {
  return Object.prototype.toString.call(value) === '[object Uint8Array]';
}
