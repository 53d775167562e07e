import type { ApiKey } from './api-key.ts';

/**
 * When a key was last used; undefined where it never was. Some servers write the zero of their times for that, which
 * is the year 1 or 1970: taken for a time, it would make a new key one that nobody has used for ages.
 */
export function lastUseOf({ lastUsedAt }: ApiKey): Date | undefined {
  return isTold(lastUsedAt) ? lastUsedAt : undefined;
}

/** Whether a time is one that the service told, and neither left out nor a zero. */
export function isTold(time: Date | undefined): time is Date {
  return time !== undefined && time.getTime() > 0;
}
