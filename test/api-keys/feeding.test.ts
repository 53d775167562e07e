import {
  type ApiKey,
  ApiKeys,
  InvalidResponseError,
  type UnknownOutcomeError,
  type UsageAmounts,
  WorkspaceApiKeys,
} from 'drun-sdk';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TOKEN } from '../support/credentials.ts';
import { everythingShownOf } from '../support/failures.ts';

/*
 * Servers that answer JSON of the contract's shape, or nearly: what comes of it is what the contract means, or an
 * InvalidResponseError. Either way no whole key is in it.
 */

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type Message = Record<string, unknown>;

const MOST_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

const wholeKey = fc
  .string({
    unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-'),
    minLength: 45,
    maxLength: 45,
  })
  .map((rest) => `sk-${rest}`);

const text = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('checkout', '结账', '', 'sk-', '\u0000'));
const moment = fc.oneof(
  fc
    .date({
      min: new Date('0001-01-01T00:00:00Z'),
      max: new Date('9999-12-31T00:00:00Z'),
      noInvalidDate: true,
    })
    .chain((date) =>
      fc.constantFrom(
        date.toISOString(),
        date.toISOString().replace(/\.\d+Z$/, 'Z'),
        date.toISOString().replace('Z', '456789Z'),
        date.toISOString().replace('Z', '+08:00'),
      ),
    ),
  fc.constant(''),
);
const int64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  fc.integer({ min: -5, max: 2_000_000 }).map(String),
  fc.constantFrom(String(MOST_SAFE), String(MOST_SAFE + 1n), '0', '-0', 0, 7),
);
const uint64 = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
  fc.nat().map(String),
  fc.constantFrom(String(MOST_SAFE), String(MOST_SAFE + 1n), '0'),
);

/** Leaves fields out, or makes them null: both are an absence. */
function message<Fields extends Message>(fields: { [Name in keyof Fields]: fc.Arbitrary<Fields[Name]> }) {
  const optional = Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [
      name,
      fc.option(field as fc.Arbitrary<unknown>, { freq: 6 }),
    ]),
  );
  return fc.record(optional, { requiredKeys: [] }) as fc.Arbitrary<Message>;
}

/** A message in one place of which there may be anything. */
function nearly(shaped: fc.Arbitrary<Message>): fc.Arbitrary<Message> {
  const anything = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>;
  return fc.tuple(shaped, fc.nat(), anything, fc.boolean()).map(([fields, place, value, isBroken]) => {
    const names = Object.keys(fields);
    const name = names[place % Math.max(1, names.length)];
    return isBroken && name !== undefined ? { ...fields, [name]: value } : fields;
  });
}

/** An API key, in whose texts whole keys stand: its own, and that of somebody else. */
const wireKey = fc.tuple(wholeKey, wholeKey, fc.boolean()).chain(([own, other, isWhole]) => {
  const leaky = fc.oneof(
    { weight: 4, arbitrary: text },
    { weight: 1, arbitrary: fc.constantFrom(`${own}`, `old: ${own}!`, `x ${other}`) },
  );
  return nearly(
    message({
      id: fc.oneof(
        { weight: 8, arbitrary: fc.string({ minLength: 1, maxLength: 8 }) },
        { weight: 1, arbitrary: leaky },
      ),
      name: leaky,
      key: fc.constant(isWhole ? own : `sk-******${own.slice(-4)}`),
      creationTimestamp: moment,
      expireTime: moment,
      expired: fc.boolean(),
      disabled: fc.boolean(),
      lastUsedTime: moment,
      createBy: leaky,
      userId: leaky,
      workspace: fc.nat({ max: 2 ** 31 - 1 }),
      allowModels: fc.array(leaky, { maxLength: 3 }),
      denyModels: fc.array(leaky, { maxLength: 3 }),
      quota: int64,
      usedQuota: int64,
      remainingQuota: int64,
      remainingQuotaSyncedAt: moment,
      unlimitedQuota: fc.boolean(),
      unheardOf: fc.jsonValue(),
    }),
  ).map((wire) => ({ wire, whole: isWhole ? [own, other] : [other] }));
});

/** What the contract means by a field; undefined where it is absent. */
const meant = {
  text: (value: unknown): string | undefined => (value ? String(value) : undefined),
  time: (value: unknown): number | undefined => (value ? Date.parse(String(value)) : undefined),
  count: (value: unknown): number => Number(value ?? 0),
};

/** Holds a key against the wire. Texts that are shown masked are another test's affair. */
function expectRight(
  key: ApiKey,
  wire: Message,
  whole: readonly string[],
  scope: 'account' | 'workspace',
): void {
  const isClean = (value: unknown): boolean => !/sk-[\w-]{16}/.test(String(value)) || whole.length === 0;
  if (isClean(wire.id)) expect(key.id).toBe(wire.id);
  if (isClean(wire.name)) expect(key.name).toBe(wire.name ?? '');
  expect(key.createdAt.getTime()).toBe(meant.time(wire.creationTimestamp) ?? 0);
  expect(key.expiresAt?.getTime()).toBe(meant.time(wire.expireTime));
  expect(key.lastUsedAt?.getTime()).toBe(meant.time(wire.lastUsedTime));
  expect(key.expired).toBe(wire.expired ?? false);
  expect(key.disabled).toBe(wire.disabled ?? false);
  expect(key.workspace).toBe(wire.workspace || undefined);
  if (isClean(wire.createBy)) expect(key.createdBy).toBe(meant.text(wire.createBy));
  expect(key.allowModels).toHaveLength((wire.allowModels as unknown[] | null | undefined)?.length ?? 0);
  const amounts = [
    wire.quota,
    wire.usedQuota,
    wire.remainingQuota,
    wire.remainingQuotaSyncedAt,
    wire.unlimitedQuota,
  ];
  const isSaid = amounts.some((amount) => amount !== undefined && amount !== null);
  if (scope === 'account' && !isSaid) {
    expect(key).not.toHaveProperty('quota');
    return;
  }
  expect(key.quota).toEqual({
    limit: wire.unlimitedQuota ? 'unlimited' : meant.count(wire.quota) + 0,
    used: meant.count(wire.usedQuota) + 0,
    remaining: wire.unlimitedQuota ? 'unlimited' : meant.count(wire.remainingQuota) + 0,
    ...(wire.remainingQuotaSyncedAt ? { syncedAt: new Date(String(wire.remainingQuotaSyncedAt)) } : {}),
  });
  for (const amount of Object.values(key.quota ?? {})) {
    if (typeof amount === 'number') expect(Number.isSafeInteger(amount)).toBe(true);
  }
}

function clients(body: unknown) {
  const options = { accessToken: TOKEN, maxRetries: 0, fetch: async () => Response.json(body) };
  return [
    ['account', new ApiKeys(options)],
    ['workspace', new WorkspaceApiKeys({ ...options, workspace: 12 })],
  ] as const;
}

function expectNoWholeKey(value: unknown, whole: readonly string[]): void {
  const shown = everythingShownOf(value);
  for (const key of whole) expect(shown).not.toContain(key);
}

describe('whatever a server answers', () => {
  test('a list is right or rejected, and shows no whole key', { timeout: 60_000 }, async () => {
    let right = 0;
    const page = message({
      page: fc.nat({ max: 9 }),
      pageSize: fc.nat({ max: 9 }),
      total: fc.oneof(fc.nat(), int64),
    });
    const answer = nearly(message({ items: fc.array(wireKey, { maxLength: 4 }), page: nearly(page) }));
    await fc.assert(
      fc.asyncProperty(answer, async ({ items, ...rest }) => {
        const fed = (Array.isArray(items) ? items : []) as { wire: Message; whole: string[] }[];
        const isFed = Array.isArray(items) && fed.every((item) => item?.wire !== undefined);
        const body = {
          ...rest,
          ...(items !== undefined && { items: isFed ? fed.map(({ wire }) => wire) : items }),
        };
        const whole = isFed ? fed.flatMap((item) => item.whole) : [];
        for (const [scope, keys] of clients(body)) {
          const outcome = await keys
            .list()
            .withResponse()
            .catch((error: unknown) => error);
          expectNoWholeKey(outcome, whole);
          if (outcome instanceof Error) {
            expect(outcome).toBeInstanceOf(InvalidResponseError);
            continue;
          }
          right++;
          const { data } = outcome as { data: { items: ApiKey[]; total: number } };
          expect(data.items).toHaveLength(fed.length);
          expect(Number.isSafeInteger(data.total)).toBe(true);
          for (const [index, key] of data.items.entries()) {
            expectRight(key, fed[index]?.wire ?? {}, whole, scope);
          }
        }
      }),
      { numRuns: 200 },
    );
    expect(right).toBeGreaterThan(50);
  });

  test('a created key is right, or known to be in doubt; it is shown in its secret alone', {
    timeout: 60_000,
  }, async () => {
    let right = 0;
    await fc.assert(
      fc.asyncProperty(wireKey, async ({ wire, whole }) => {
        for (const [, keys] of clients(wire)) {
          const outcome = await keys
            .create({ name: 'checkout' }, { settle: false })
            .catch((error: unknown) => error);
          expectNoWholeKey(outcome, whole);
          if (outcome instanceof Error) {
            expect(outcome.name).toBe('UnknownOutcomeError');
            const { candidates, cause } = outcome as UnknownOutcomeError;
            expect(cause).toBeInstanceOf(InvalidResponseError);
            const isNamed = typeof wire.id === 'string' && wire.id !== '';
            const hasReadableKey = wire.key == null || typeof wire.key === 'string';
            expect(candidates.length).toBe(isNamed && hasReadableKey ? 1 : 0);
            continue;
          }
          right++;
          const created = outcome as Awaited<ReturnType<ApiKeys['create']>>;
          expect(created.secret.reveal()).toBe(wire.key);
          expect(Number.isNaN(created.createdAt.getTime())).toBe(false);
          const { limit, used, remaining } = created.quota ?? { limit: 0, used: 0, remaining: 0 };
          for (const amount of [limit, used, remaining]) {
            expect(amount === 'unlimited' || Number.isSafeInteger(amount)).toBe(true);
          }
        }
      }),
      { numRuns: 200 },
    );
    expect(right).toBeGreaterThan(50);
  });

  test('usage is right or rejected, never rounded', { timeout: 60_000 }, async () => {
    let right = 0;
    const usage = nearly(
      message({
        input: uint64,
        output: uint64,
        cached: uint64,
        total: uint64,
        inputCharacters: uint64,
        inputAudioDuration: uint64,
        outputAudioDuration: uint64,
        sampleRate: fc.nat({ max: 48_000 }),
      }),
    );
    const point = nearly(
      message({ model: text, modelType: fc.constantFrom('TEXT_GENERATION'), timestamp: moment, usage }),
    );
    const answer = nearly(message({ totalUsage: usage, dataPoints: fc.array(point, { maxLength: 3 }) }));
    const expectAmounts = (amounts: UsageAmounts, wire: Message): void => {
      for (const name of ['input', 'output', 'cached', 'total'] as const) {
        expect(BigInt(amounts.tokens[name])).toBe(BigInt(String(wire[name] ?? 0)));
      }
      expect(amounts.characters?.input ?? 0).toBe(meant.count(wire.inputCharacters));
      expect(amounts.audio?.inputDuration ?? 0).toBe(meant.count(wire.inputAudioDuration));
      expect(amounts.audio?.outputDuration ?? 0).toBe(meant.count(wire.outputAudioDuration));
      expect(amounts.audio?.sampleRate ?? 0).toBe(meant.count(wire.sampleRate));
    };
    await fc.assert(
      fc.asyncProperty(answer, async (body) => {
        for (const [, keys] of clients(body)) {
          const outcome = await keys.usage().catch((error: unknown) => error);
          if (outcome instanceof Error) {
            expect(outcome).toBeInstanceOf(InvalidResponseError);
            continue;
          }
          right++;
          const { totals, points } = outcome as Awaited<ReturnType<ApiKeys['usage']>>;
          const wires = (body.dataPoints ?? []) as Message[];
          expectAmounts(totals, (body.totalUsage ?? {}) as Message);
          expect(points).toHaveLength(wires.length);
          for (const [index, one] of points.entries()) {
            const wire = wires[index] ?? {};
            expect(one.model).toBe(wire.model ?? '');
            expect(one.timestamp?.getTime()).toBe(meant.time(wire.timestamp));
            expectAmounts(one, (wire.usage ?? {}) as Message);
          }
        }
      }),
      { numRuns: 200 },
    );
    expect(right).toBeGreaterThan(50);
  });
});
