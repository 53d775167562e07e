import { describe, expect, it } from 'vitest';
import { exactTime, relativeTime } from '../../../../src/emulator/console/browser/times.ts';

const NOW = Date.UTC(2026, 10, 23, 9, 30, 15);

describe('how long ago a time was', () => {
  it.each([
    [0, 'just now'],
    [44, 'just now'],
    [45, '1 minute ago'],
    [100, '2 minutes ago'],
    [44 * 60, '44 minutes ago'],
    [45 * 60, '1 hour ago'],
    [5 * 3600, '5 hours ago'],
    [21 * 3600, '21 hours ago'],
    [22 * 3600, 'yesterday'],
    [3 * 86_400, '3 days ago'],
    [29 * 86_400, '29 days ago'],
    // Clocks that are handed in go where they want.
    [-3600, 'in 1 hour'],
    [-86_400, 'tomorrow'],
  ])('is said by its size: %d s is %s', (seconds, text) => {
    expect(relativeTime(new Date(NOW - seconds * 1000), NOW)).toBe(text);
  });

  it('is its date after a month', () => {
    expect(relativeTime(new Date(NOW - 31 * 86_400_000), NOW)).toBe('Oct 23, 2026');
    expect(relativeTime(new Date(0), NOW)).toMatch(/^(?:Jan 1, 1970|Dec 31, 1969)$/);
  });
});

it('an exact time is exact to the second, with its zone', () => {
  expect(exactTime(new Date(NOW))).toMatch(/^\w+, November 2\d, 2026 at \d+:\d\d:15 [AP]M \S+$/);
});
