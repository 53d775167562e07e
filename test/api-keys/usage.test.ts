import { type ApiKeyUsageQuery, ConfigurationError, InvalidResponseError } from 'drun-sdk';
import { describe, expect, it } from 'vitest';
import { KEY, TOKEN } from '../support/credentials.ts';
import { everythingShownOf, rejectionOf } from '../support/failures.ts';
import { json } from '../support/network.ts';
import { newClients, responding } from './clients.ts';

const NONE = { input: 0, output: 0, cached: 0, total: 0 };

describe('usage', () => {
  it('returns totals, and points per model and period', async () => {
    const { fetch } = responding(
      json({
        totalUsage: { input: '120', output: '30', cached: '100', total: '9007199254740991' },
        dataPoints: [
          {
            model: 'public/deepseek-r1',
            modelType: 'TEXT_GENERATION',
            timestamp: '2026-03-01T00:00:00Z',
            usage: { input: '120', output: '30', cached: '100', total: '150' },
          },
          {
            model: 'public/voice',
            modelType: 'TEXT_TO_AUDIO',
            timestamp: '2026-03-02T00:00:00+08:00',
            usage: {
              inputCharacters: '7',
              inputAudioDuration: 3,
              outputAudioDuration: '12',
              sampleRate: 16_000,
            },
          },
        ],
      }),
    );

    expect(await newClients(fetch).keys.usage()).toEqual({
      totals: { tokens: { input: 120, output: 30, cached: 100, total: 9_007_199_254_740_991 } },
      points: [
        {
          model: 'public/deepseek-r1',
          modelType: 'TEXT_GENERATION',
          timestamp: new Date('2026-03-01T00:00:00Z'),
          tokens: { input: 120, output: 30, cached: 100, total: 150 },
        },
        {
          model: 'public/voice',
          modelType: 'TEXT_TO_AUDIO',
          timestamp: new Date('2026-03-01T16:00:00Z'),
          tokens: NONE,
          characters: { input: 7 },
          audio: { inputDuration: 3, outputDuration: 12, sampleRate: 16_000 },
        },
      ],
    });
  });

  it.each([
    [{}, []],
    [{ totalUsage: null, dataPoints: null }, []],
    [
      { dataPoints: [{ modelType: 'REQUEST_MODEL_TYPE_UNSPECIFIED', timestamp: 7 }] },
      [{ model: '', tokens: NONE }],
    ],
  ])('has defaults for missing fields: %j', async (body, points) => {
    const { fetch } = responding(json(body));

    expect(await newClients(fetch).keys.usage()).toEqual({ totals: { tokens: NONE }, points });
  });

  it.each([
    [{}, {}],
    [{ period: 'hour' }, { period: 'TIME_PERIOD_HOUR' }],
    [{ period: 'day' }, { period: 'TIME_PERIOD_DAY' }],
    [{ period: 'month' }, { period: 'TIME_PERIOD_MONTH' }],
    [{ from: new Date('2026-03-01T01:00:00+01:00') }, { startTime: '2026-03-01T00:00:00.000Z' }],
    [{ ids: ['key-1'], models: undefined }, { ids: ['key-1'] }],
  ] satisfies [ApiKeyUsageQuery, object][])('sends only the given fields of %j', async (query, body) => {
    const { fetch, requests } = responding(json({}));

    await newClients(fetch).keys.usage(query);

    expect(requests.map((request) => request.body)).toEqual([body]);
  });

  it.each([
    ['above 2^53', { input: '9007199254740993' }, 'totalUsage.input'],
    ['of the largest uint64', { total: '18446744073709551615' }, 'totalUsage.total'],
    ['below 0', { output: '-1' }, 'totalUsage.output'],
    ['with decimals', { cached: 1.5 }, 'totalUsage.cached'],
    ['that JSON has rounded already', { input: 9_007_199_254_740_992 }, 'totalUsage.input'],
    ['in words', { input: 'many' }, 'totalUsage.input'],
    ['that is an empty string', { input: '' }, 'totalUsage.input'],
  ])('rejects a count %s', async (_, totalUsage, path) => {
    const { fetch } = responding(json({ totalUsage }));

    const error = await rejectionOf(InvalidResponseError, newClients(fetch).keys.usage());

    expect(error.issues.map((issue) => issue.path.join('.'))).toEqual([path]);
  });

  it.each<[string, object, string]>([
    ['an invalid date', { from: new Date('tomorrow') }, 'from'],
    ['a date as a string', { to: '2026-03-01' }, 'to'],
    ['an end before the start', { from: new Date(2_000), to: new Date(1_000) }, 'from'],
    ['an unknown period', { period: 'year' }, 'period'],
    ['the name of an object property as a period', { period: 'toString' }, 'period'],
    ['no ids, which would mean all', { ids: [] }, 'ids'],
    ['no models, which would mean all', { models: [] }, 'models'],
    ['an empty id', { ids: [''] }, 'ids'],
    ['a full key as an id', { ids: [KEY] }, 'ids'],
    ['ids as a string', { ids: 'key-1' }, 'ids'],
    ['a numeric model', { models: [7] }, 'models'],
  ])('rejects %s and sends nothing', async (_, query, option) => {
    const { fetch, requests } = responding(json({}));

    const error = await rejectionOf(ConfigurationError, newClients(fetch).keys.usage(query));

    expect(error.option).toBe(option);
    expect(everythingShownOf(error)).not.toContain(KEY);
    expect(requests).toEqual([]);
  });
});

describe('canCreate', () => {
  it.each([
    [{ allowed: true }, { allowed: true }],
    [{ allowed: true, reason: '' }, { allowed: true }],
    [{ allowed: true, left: 2 }, { allowed: true }],
    [
      { allowed: false, reason: '最多 5 个' },
      { allowed: false, reason: '最多 5 个' },
    ],
    // Protobuf JSON omits `false`.
    [{ reason: 'at most 5' }, { allowed: false, reason: 'at most 5' }],
    [{ allowed: null }, { allowed: false }],
    [{}, { allowed: false }],
  ])('reads %j', async (body, expected) => {
    const { fetch, requests } = responding(json(body));

    expect(await newClients(fetch).keys.canCreate()).toEqual(expected);
    expect(requests).toMatchObject([{ method: 'POST', body: {} }]);
  });

  it('masks credentials in the reason', async () => {
    const { fetch } = responding(json({ reason: `${KEY} and ${TOKEN}` }));

    const { reason } = await newClients(fetch).keys.canCreate();

    for (const secret of [KEY, TOKEN]) expect(reason).not.toContain(secret);
  });
});
