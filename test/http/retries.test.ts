import { ApiError, ChatClient, type ChatClientOptions, RateLimitError } from 'drun-sdk';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { KEY } from '../support/credentials.ts';
import { rejectionOf } from '../support/failures.ts';
import { json } from '../support/network.ts';
import { serveHttp } from '../support/sockets.ts';
import { retryAtOnce } from '../support/timing.ts';

const client = (baseUrl: string, options: ChatClientOptions = {}): ChatClient =>
  new ChatClient({ apiKey: KEY, baseUrl, ...options });

afterEach(() => {
  vi.useRealTimers();
});

describe('a failed call', () => {
  test.each([408, 409, 425, 429, 500, 502, 503, 504, 529])(
    'with %i is retried up to maxRetries times',
    async (status) => {
      retryAtOnce();
      const server = await serveHttp((_, response) => response.writeHead(status).end('{}'));

      const error = await rejectionOf(ApiError, client(server.url, { maxRetries: 3 }).models());

      expect(error.status).toBe(status);
      expect(server.count).toBe(4);
    },
  );

  test.each([400, 401, 402, 403, 404, 405, 410, 413, 418, 422])('with %i is not retried', async (status) => {
    retryAtOnce();
    const server = await serveHttp((_, response) => response.writeHead(status).end('{}'));

    await rejectionOf(ApiError, client(server.url, { maxRetries: 3 }).models());

    expect(server.count).toBe(1);
  });

  test('is retried twice by default', async () => {
    retryAtOnce();
    const server = await serveHttp((_, response) => response.writeHead(503).end('{}'));

    await rejectionOf(ApiError, client(server.url).models());

    expect(server.count).toBe(3);
  });

  test.each([0, 1])('respects the maxRetries of the call: %i', async (maxRetries) => {
    retryAtOnce();
    const server = await serveHttp((_, response) => response.writeHead(503).end('{}'));

    await rejectionOf(ApiError, client(server.url, { maxRetries: 5 }).models({ maxRetries }));

    expect(server.count).toBe(maxRetries + 1);
  });

  test('returns the response of the successful attempt', async () => {
    retryAtOnce();
    const server = await serveHttp((_, response) =>
      response.writeHead(server.count === 1 ? 500 : 200).end('{"data":[{"id":"a"}]}'),
    );

    expect(await client(server.url).models()).toEqual([{ id: 'a' }]);
  });

  test('sends its body with every attempt', async () => {
    retryAtOnce();
    const bodies: string[] = [];
    const server = await serveHttp((request, response) => {
      let text = '';
      request
        .on('data', (chunk) => {
          text += chunk;
        })
        .on('end', () => {
          bodies.push(text);
          response.writeHead(503).end('{}');
        });
    });
    const request = { model: 'a', messages: [{ role: 'user', content: 'b' }] } as const;

    await rejectionOf(ApiError, client(server.url).complete(request));

    expect(new Set(bodies).size).toBe(1);
    expect(bodies.map((body) => JSON.parse(body))).toMatchObject([request, request, request]);
  });
});

/** Makes a call with fake timers. Returns the times of its attempts in milliseconds since the first one. */
async function attempts(
  reply: (attempt: number) => Response,
  { forMs, ...options }: ChatClientOptions & { forMs: number },
): Promise<{ times: number[]; outcome: unknown; endedAfterMs: number }> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
  const startedAt = performance.now();
  const times: number[] = [];
  const fetch = async (): Promise<Response> => {
    times.push(Math.round(performance.now() - startedAt));
    return reply(times.length);
  };
  let endedAfterMs = Number.NaN;
  const outcome = new ChatClient({ apiKey: KEY, fetch, ...options })
    .models()
    .catch((error: unknown) => error)
    .finally(() => {
      endedAfterMs = Math.round(performance.now() - startedAt);
    });
  await vi.advanceTimersByTimeAsync(forMs);
  return { times, outcome: await outcome, endedAfterMs };
}

const busy = (headers: Record<string, string> = {}): Response => json({}, 429, headers);
const done = (): Response => json({ data: [] });

describe('the wait before a retry', () => {
  test('doubles from at most 500 ms to at most 8 s', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(1);

    const { times } = await attempts(() => busy(), { maxRetries: 7, forMs: 60_000 });

    expect(times).toEqual([0, 500, 1_500, 3_500, 7_500, 15_500, 23_500, 31_500]);
  });

  test('has full jitter below that bound', async () => {
    vi.spyOn(Math, 'random').mockReturnValueOnce(0.5).mockReturnValueOnce(0.25).mockReturnValueOnce(0.1);

    const { times } = await attempts(() => busy(), { maxRetries: 3, forMs: 60_000 });

    expect(times).toEqual([0, 250, 500, 700]);
  });

  test.each<[string, Record<string, string>, number]>([
    ['seconds', { 'retry-after': '7' }, 7_000],
    ['milliseconds', { 'retry-after-ms': '1250' }, 1_250],
    ['milliseconds rather than seconds', { 'retry-after': '9', 'retry-after-ms': '100' }, 100],
    [
      "a date, by the server's clock even if it is years off",
      { 'retry-after': 'Wed, 01 Jan 2020 00:00:12 GMT', date: 'Wed, 01 Jan 2020 00:00:00 GMT' },
      12_000,
    ],
  ])('has the duration that the service requests: %s', async (_, headers, waitMs) => {
    const { times, outcome } = await attempts((attempt) => (attempt === 1 ? busy(headers) : done()), {
      forMs: 30_000,
    });

    expect(times).toEqual([0, waitMs]);
    expect(outcome).toEqual([]);
  });

  test("has the duration that the service requests: a date, by the caller's clock if the server does not report its own", async () => {
    vi.setSystemTime(new Date('2026-03-01T12:00:00Z'));

    const { times } = await attempts(
      (attempt) => (attempt === 1 ? busy({ 'retry-after': 'Sun, 01 Mar 2026 12:00:05 GMT' }) : done()),
      { forMs: 30_000 },
    );

    expect(times).toEqual([0, 5_000]);
  });

  test.each<[string, Record<string, string>]>([
    ['0 seconds', { 'retry-after': '0' }],
    ['0 milliseconds', { 'retry-after-ms': '0' }],
    [
      "a date in the past by the server's clock",
      { 'retry-after': 'Wed, 01 Jan 2020 00:00:00 GMT', date: 'Wed, 01 Jan 2020 00:00:12 GMT' },
    ],
  ])('has full jitter if the service requests no wait: %s', async (_, headers) => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);

    const { times } = await attempts((attempt) => (attempt === 1 ? busy(headers) : done()), { forMs: 9_000 });

    expect(times).toEqual([0, 250]);
  });

  test.each<[string, Record<string, string>, number]>([
    ['60 seconds', { 'retry-after': '60' }, 60_000],
    ["LiteLLM's copy of the upstream header", { 'llm_provider-retry-after': '9' }, 9_000],
  ])('has the duration that the service requests, up to 60 s: %s', async (_, headers, waitMs) => {
    const { times } = await attempts((attempt) => (attempt === 1 ? busy(headers) : done()), {
      forMs: 61_000,
    });

    expect(times).toEqual([0, waitMs]);
  });

  test.each<[string, Record<string, string>, number]>([
    ['an hour', { 'retry-after': '3600' }, 3_600_000],
    ['61 seconds', { 'retry-after-ms': '61000' }, 61_000],
    [
      'a date tomorrow',
      { 'retry-after': 'Thu, 02 Jan 2020 00:00:00 GMT', date: 'Wed, 01 Jan 2020 00:00:00 GMT' },
      86_400_000,
    ],
  ])(
    'fails the call at once if the service requests more than 60 s: %s',
    async (_, headers, retryAfterMs) => {
      const { times, outcome, endedAfterMs } = await attempts(() => busy(headers), { forMs: 1 });

      expect([times, endedAfterMs]).toEqual([[0], 0]);
      expect(outcome).toMatchObject({ code: 'rate_limited', retryAfterMs });
    },
  );

  test('can also be requested by a 503', async () => {
    const { times } = await attempts(
      (attempt) => (attempt === 1 ? json({}, 503, { 'retry-after': '3' }) : done()),
      { forMs: 10_000 },
    );

    expect(times).toEqual([0, 3_000]);
  });

  test.each(['soon', '-5', '', '1e9', 'NaN', '0x10'])('ignores a Retry-After of %j', async (value) => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);

    const { times } = await attempts((attempt) => (attempt === 1 ? busy({ 'retry-after': value }) : done()), {
      forMs: 30_000,
    });

    expect(times).toEqual([0, 250]);
  });

  test.each<[string, Record<string, string>, number]>([
    ['seconds', { 'retry-after': '120' }, 120_000],
    ['milliseconds', { 'retry-after-ms': '60001' }, 60_001],
    [
      'a date',
      { 'retry-after': 'Wed, 01 Jan 2020 01:00:00 GMT', date: 'Wed, 01 Jan 2020 00:00:00 GMT' },
      3_600_000,
    ],
  ])(
    'fails the call at once if the requested wait exceeds the time left: %s',
    async (_, headers, retryAfterMs) => {
      const { times, outcome, endedAfterMs } = await attempts(() => busy(headers), {
        timeoutMs: 60_000,
        forMs: 1,
      });

      expect(times).toEqual([0]);
      expect(outcome).toBeInstanceOf(RateLimitError);
      expect(outcome).toMatchObject({ retryAfterMs });
      expect(endedAfterMs).toBe(0);
    },
  );

  test('is a field of the error of the last attempt', async () => {
    const { outcome } = await attempts(() => busy({ 'retry-after': '2' }), { maxRetries: 1, forMs: 5_000 });

    expect(outcome).toMatchObject({ code: 'rate_limited', retryAfterMs: 2_000 });
  });

  test('is absent from the error if the service requests none', async () => {
    const { outcome } = await attempts(() => busy(), { maxRetries: 0, forMs: 1 });

    expect(outcome).not.toHaveProperty('retryAfterMs');
  });
});
