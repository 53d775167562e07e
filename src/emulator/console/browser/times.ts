const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const day = new Intl.DateTimeFormat('en', { dateStyle: 'medium' });

const exact = new Intl.DateTimeFormat('en', { dateStyle: 'full', timeStyle: 'long' });

/** A time to the second, with its zone. */
export function exactTime(time: Date): string {
  return exact.format(time);
}

/** How long ago a time was, as a person says it; its date where that is more than a month. */
export function relativeTime(time: Date, now: number): string {
  const seconds = (time.getTime() - now) / 1000;
  const distance = Math.abs(seconds);
  if (distance < 45) return 'just now';
  if (distance < 45 * MINUTE) return relative.format(Math.round(seconds / MINUTE), 'minute');
  if (distance < 22 * HOUR) return relative.format(Math.round(seconds / HOUR), 'hour');
  if (distance < 30 * DAY) return relative.format(Math.round(seconds / DAY), 'day');
  return day.format(time);
}
