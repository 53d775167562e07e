/**
 * What protobuf's JSON makes of a message: whatever is empty, zero, false or not set is left out, and integers of 64
 * bits, which are bigints here, are strings.
 */
export function withoutZeros(message: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const fields = Object.entries(message).filter(([, value]) =>
    Array.isArray(value) ? value.length > 0 : Boolean(value),
  );
  return Object.fromEntries(
    fields.map(([name, value]) => [name, typeof value === 'bigint' ? String(value) : value]),
  );
}

/** RFC 3339, without the fraction of the second where that is zero; nothing for what never is. */
export function timestamp(time: number | undefined): string | undefined {
  if (time === undefined || time === Number.POSITIVE_INFINITY) return undefined;
  return new Date(time).toISOString().replace('.000Z', 'Z');
}
