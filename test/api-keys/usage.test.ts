import { type ApiKeyUsageQuery, ConfigurationError, InvalidResponseError, ServerError } from 'drun-sdk';
import { describe, expect, test } from 'vitest';
import { KEY } from '../support/credentials.ts';
import { everythingShownOf, rejectionOf } from '../support/failures.ts';
import { json, mockNetwork } from '../support/network.ts';
import { retryAtOnce } from '../support/timing.ts';
import { API, apiKeys } from './requests.ts';

const network = mockNetwork();
const STATISTICS = `${API}/apikeys-stats`;

describe('usage', () => {
  test('gives totals, and points per model, with numbers and dates', async () => {
    network.answer(
      'post',
      STATISTICS,
      json({
        totalUsage: { input: '120', output: '30', cached: '100', total: '150' },
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
            usage: { inputCharacters: '7', outputAudioDuration: '12', sampleRate: 16_000 },
          },
        ],
      }),
    );

    expect(await apiKeys().usage()).toEqual({
      totals: { tokens: { input: 120, output: 30, cached: 100, total: 150 } },
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
          tokens: { input: 0, output: 0, cached: 0, total: 0 },
          characters: { input: 7 },
          audio: { outputDuration: 12, sampleRate: 16_000 },
        },
      ],
    });
  });

  test.each([
    ['nothing', {}],
    ['null fields', { totalUsage: null, dataPoints: null }],
  ])('is none for %s', async (_, body) => {
    network.answer('post', STATISTICS, json(body));

    expect(await apiKeys().usage()).toEqual({
      totals: { tokens: { input: 0, output: 0, cached: 0, total: 0 } },
      points: [],
    });
  });

  test('takes a point of which little is said', async () => {
    network.answer(
      'post',
      STATISTICS,
      json({ dataPoints: [{ modelType: 'REQUEST_MODEL_TYPE_UNSPECIFIED' }] }),
    );

    expect((await apiKeys().usage()).points).toEqual([
      { model: '', tokens: { input: 0, output: 0, cached: 0, total: 0 } },
    ]);
  });

  test.each([
    [{}, {}],
    [{ period: 'hour' }, { period: 'TIME_PERIOD_HOUR' }],
    [{ period: 'day' }, { period: 'TIME_PERIOD_DAY' }],
    [{ period: 'month' }, { period: 'TIME_PERIOD_MONTH' }],
    [{ from: new Date('2026-03-01T01:00:00+01:00') }, { startTime: '2026-03-01T00:00:00.000Z' }],
    [{ ids: ['key-1'], models: undefined }, { ids: ['key-1'] }],
  ] satisfies [ApiKeyUsageQuery, object][])('asks for %j and nothing more', async (query, body) => {
    const seen = network.answer('post', STATISTICS, json({}));

    await apiKeys().usage(query);

    expect(JSON.parse(seen[0]?.text ?? '')).toEqual(body);
  });

  test.each([
    ['a number of tokens beyond what a number can hold', { input: '9007199254740993' }, 'totalUsage.input'],
    ['the largest uint64', { total: '18446744073709551615' }, 'totalUsage.total'],
    ['a negative number', { output: '-1' }, 'totalUsage.output'],
    ['a fraction', { cached: 1.5 }, 'totalUsage.cached'],
    ['a number that JSON has rounded already', { input: 9_007_199_254_740_992 }, 'totalUsage.input'],
    ['a word', { input: 'many' }, 'totalUsage.input'],
    ['an empty text', { input: '' }, 'totalUsage.input'],
  ])('rejects %s', async (_, totalUsage, place) => {
    network.answer('post', STATISTICS, json({ totalUsage }));

    const error = await rejectionOf(InvalidResponseError, apiKeys().usage());

    expect(error.issues.map(({ path }) => path.join('.'))).toEqual([place]);
  });

  test('takes the largest number that can be held', async () => {
    network.answer('post', STATISTICS, json({ totalUsage: { total: '9007199254740991' } }));

    expect((await apiKeys().usage()).totals.tokens.total).toBe(9_007_199_254_740_991);
  });

  test('may be repeated', async () => {
    retryAtOnce();
    const seen = network.answer('post', STATISTICS, json({}, 503), json({}));

    await apiKeys().usage();

    expect(seen).toHaveLength(2);
  });

  test('throws the error of a 500', async () => {
    network.answer('post', STATISTICS, json({ id: 'x' }, 500));

    await rejectionOf(ServerError, apiKeys({ maxRetries: 0 }).usage());
  });

  test('shows no whole key that a server puts in the place of a model', async () => {
    network.answer('post', STATISTICS, json({ dataPoints: [{ model: KEY, modelType: `x ${KEY}` }] }));

    expect(everythingShownOf(await apiKeys().usage())).not.toContain(KEY);
  });

  test.each<[string, object, string]>([
    ['an invalid date', { from: new Date('tomorrow') }, 'from'],
    ['a date as a text', { to: '2026-03-01' }, 'to'],
    ['an end before the beginning', { from: new Date(2_000), to: new Date(1_000) }, 'from'],
    ['a period that there is not', { period: 'year' }, 'period'],
    ['a period that every object has', { period: 'toString' }, 'period'],
    ['no ids at all, which would mean all', { ids: [] }, 'ids'],
    ['no models at all, which would mean all', { models: [] }, 'models'],
    ['an empty id', { ids: [''] }, 'ids'],
    ['a whole key as an id', { ids: [KEY] }, 'ids'],
    ['ids as a text', { ids: 'key-1' }, 'ids'],
    ['a model that is no text', { models: [7] }, 'models'],
  ])('refuses %s and sends nothing', async (_, query, option) => {
    const error = await rejectionOf(ConfigurationError, apiKeys().usage(query));

    expect(error.option).toBe(option);
    expect(everythingShownOf(error)).not.toContain(KEY);
  });
});
