import { ApiKeys, InvalidResponseError, UnknownOutcomeError } from 'drun-sdk';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TOKEN } from '../support/credentials.ts';
import { everythingShownOf } from '../support/failures.ts';

/*
 * Responses that nearly match the contract. The client must never show a full key, or return a number that had to be
 * rounded.
 */

const RUNS = process.env.CI ? 300 : 40;

const fullKey = fc.stringMatching(/^sk-[\w-]{45}$/);
const timestamp = fc
  .date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T00:00:00Z'), noInvalidDate: true })
  .chain((date) => {
    const text = date.toISOString();
    return fc.constantFrom(
      text,
      text.replace(/\.\d+Z$/, 'Z'),
      text.replace('Z', '456789Z'),
      text.replace('Z', '+08:00'),
    );
  });
const integer = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }).map(String),
  fc.integer({ min: -5, max: 2_000_000 }),
  fc.constantFrom('9007199254740991', '9007199254740992', 9_007_199_254_740_992, '-0', 0, 0.5),
);

/** Generates a message whose fields may be missing, null or invalid. */
function nearly(fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Record<string, unknown>> {
  const odd = fc.oneof(fc.constant(null), fc.jsonValue({ maxDepth: 2 }));
  const loose = Object.entries(fields).map(([name, field]) => [
    name,
    fc.oneof({ weight: 9, arbitrary: field }, { weight: 1, arbitrary: odd }),
  ]);
  return fc.record(Object.fromEntries(loose), { requiredKeys: [] });
}

const keyOnTheWire = fullKey.chain((key) =>
  nearly({
    id: fc.string({ minLength: 1, maxLength: 8 }),
    name: fc.string({ maxLength: 12 }),
    key: fc.constantFrom(key, `sk-******${key.slice(-4)}`),
    creationTimestamp: timestamp,
    expireTime: timestamp,
    expired: fc.boolean(),
    lastUsedTime: timestamp,
    workspace: fc.nat(),
    allowModels: fc.array(fc.string({ maxLength: 8 }), { maxLength: 3 }),
    quota: integer,
    usedQuota: integer,
    remainingQuota: integer,
    unlimitedQuota: fc.boolean(),
  }).map((wire) => ({ wire, key })),
);

function clientOf(body: unknown): ApiKeys {
  return new ApiKeys({ accessToken: TOKEN, maxRetries: 0, fetch: async () => Response.json(body) });
}

/** Returns whether all dates in a value are valid and all numbers are safe integers. */
function isExact(value: unknown): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value);
  if (value instanceof Date) return !Number.isNaN(value.getTime());
  return typeof value !== 'object' || value === null || Object.values(value).every(isExact);
}

it('a list is exact, shows no full key, and fails only if `items` or an id is invalid', async () => {
  const bodies = nearly({
    items: fc.array(keyOnTheWire, { maxLength: 4 }),
    page: nearly({ total: integer }),
  });
  await fc.assert(
    fc.asyncProperty(bodies, async ({ items, page }) => {
      const entries = Array.isArray(items) ? items.map((item) => item?.wire ?? item) : items;
      const outcome = await clientOf({ items: entries, page })
        .list({ page: 1 })
        .then(
          (list) => list,
          (error: unknown) => error,
        );

      const ids = (Array.isArray(entries) ? entries : []).map((entry) => entry?.id);
      const isReadable =
        (entries == null || Array.isArray(entries)) && ids.every((id) => typeof id === 'string' && id);
      if (isReadable && (items !== undefined || page !== undefined)) {
        expect(outcome).toMatchObject({ items: ids.map((id) => ({ id })) });
        expect(isExact(outcome)).toBe(true);
      } else if (outcome instanceof Error) {
        expect(outcome).toBeInstanceOf(InvalidResponseError);
      }
      const shown = everythingShownOf(outcome);
      for (const item of Array.isArray(items) ? items : [])
        if (item?.key) expect(shown).not.toContain(item.key);
    }),
    { numRuns: RUNS },
  );
});

it('a created key is exact and shown only in its secret, or the outcome is unknown', async () => {
  await fc.assert(
    fc.asyncProperty(keyOnTheWire, async ({ wire, key }) => {
      const outcome = await clientOf(wire)
        .create({ name: 'checkout' })
        .catch((error: unknown) => error);

      const hasId = typeof wire.id === 'string' && wire.id !== '';
      if (hasId && wire.key === key) {
        expect(outcome).toMatchObject({ id: wire.id });
        expect((outcome as { secret: { reveal(): string } }).secret.reveal()).toBe(key);
        expect(isExact(outcome)).toBe(true);
      } else if (wire.key === undefined || typeof wire.key !== 'string' || wire.key.includes('*')) {
        expect(outcome).toBeInstanceOf(Error);
      }
      if (outcome instanceof Error) expect(outcome).toBeInstanceOf(UnknownOutcomeError);
      expect(everythingShownOf(outcome)).not.toContain(key);
    }),
    { numRuns: RUNS },
  );
});

it('usage is exact or rejected', async () => {
  const usage = nearly({ input: integer, output: integer, total: integer, inputAudioDuration: integer });
  const bodies = nearly({
    totalUsage: usage,
    dataPoints: fc.array(nearly({ timestamp, usage }), { maxLength: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(bodies, async (body) => {
      const outcome = await clientOf(body)
        .usage()
        .catch((error: unknown) => error);

      if (outcome instanceof Error) expect(outcome).toBeInstanceOf(InvalidResponseError);
      else expect(isExact(outcome)).toBe(true);
    }),
    { numRuns: RUNS },
  );
});
