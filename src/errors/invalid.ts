import { findUnknownOption } from '../internal/options.ts';
import { ConfigurationError } from './index.ts';

/** @param rule - The rest of the message, after the name of the option. */
export function invalid(option: string, rule: string): ConfigurationError {
  return new ConfigurationError(`\`${option}\` ${rule}${/[.?]$/.test(rule) ? '' : '.'}`, { option });
}

/** @throws {ConfigurationError} If an option or argument is invalid. The message does not contain the value. */
export function check(isValid: boolean, option: string, rule: string): void {
  if (!isValid) throw invalid(option, rule);
}

export function checkBoolean(value: unknown, option: string): void {
  check(value === undefined || typeof value === 'boolean', option, 'must be true or false');
}

/** Accepts signals from any platform or polyfill. */
export function checkSignal(signal: unknown): void {
  const { aborted, addEventListener: add, removeEventListener: remove } = Object(signal);
  const isSignal = typeof aborted === 'boolean' && typeof add === 'function' && typeof remove === 'function';
  check(isSignal, 'signal', 'must be an AbortSignal');
}

/** @param owner - The class or function that the message names, such as `ChatClient` or `complete()`. */
export function checkOptions(options: unknown, allowed: readonly string[], owner: string): void {
  if (!canHoldOptions(options)) {
    // The message omits the value, because it may be a credential, as in `new ChatClient('sk-…')`.
    const kind = typeof options === 'object' ? 'null, an array or a class instance' : typeof options;
    const why = `${owner} expects an object such as \`{ ${allowed[0]} }\` (received ${kind}).`;
    throw new ConfigurationError(why, { option: 'options' });
  }
  const { name, suggestion } = findUnknownOption(options, allowed) ?? {};
  if (name !== undefined) {
    const hint = suggestion === undefined ? '' : ` Did you mean \`${suggestion}\`?`;
    throw new ConfigurationError(`${owner} has no option \`${name}\`.${hint}`, { option: name });
  }
  for (const [option, value] of Object.entries(options)) {
    if (value === null) throw invalid(option, 'must not be null. Omit it to use the default');
  }
}

/** Returns false for values that are easily mistaken for options: arrays, signals, `Secret`, `KeyRing`, `Headers`. */
function canHoldOptions(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return isPlainObject(value) || Object.keys(value).length > 0;
}

/** Returns false for instances of classes. Accepts objects from other realms, whose `Object.prototype` differs. */
export function isPlainObject(value: object): boolean {
  const prototype: object | null = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
