import { ConfigurationError } from './client.ts';

/** @param rule - The rest of the sentence after the name of the option. */
export function invalid(option: string, rule: string): ConfigurationError {
  return new ConfigurationError(`\`${option}\` ${rule}${/[.?]$/.test(rule) ? '' : '.'}`, { option });
}

/** @throws {ConfigurationError} If an option or argument is invalid. The message does not repeat its value. */
export function check(isValid: boolean, option: string, rule: string): void {
  if (!isValid) throw invalid(option, rule);
}
