import { ConfigurationError } from '../errors/index.ts';

/** A time as the wire has it, which is RFC 3339: four digits for a year. */
export function wireTime(time: Date, option: string): string {
  if (!(time instanceof Date) || Number.isNaN(time.getTime())) {
    throw new ConfigurationError(`${option} must be a valid Date`, { option });
  }
  const text = time.toISOString();
  if (!/^\d{4}-/.test(text)) {
    throw new ConfigurationError(`${option} must be in the years 0 to 9999`, { option });
  }
  return text;
}
