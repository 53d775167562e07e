/**
 * Versions are random: one that is over never comes back, not even where a database was restored from a backup. They are
 * made by who swaps, so that a client library that repeats a swap on a new connection finds it done.
 */
const VERSION = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;

export function newVersion(): string {
  return crypto.randomUUID();
}

export function isVersion(text: string): boolean {
  return VERSION.test(text);
}
