import { PassThrough, type Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { ChatClient } from 'drun-sdk/chat';
import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import { AuthenticationError, ServerError } from 'drun-sdk/errors';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { handle, type Job } from '../../examples/queue-worker.ts';
import { asTenant, summarize } from '../../examples/tenants.ts';
import { retryAtOnce } from '../support/timing.ts';

/* Calls examples that export functions. An emulator replaces d.run. */

let drun: Emulator;

beforeEach(() => {
  drun = createEmulator();
  vi.stubEnv('DRUN_API_KEY', drun.keys.create({ name: 'example' }).secret.reveal());
  vi.stubGlobal('fetch', drun.fetch);
  retryAtOnce();
});

describe('lambda-streaming.ts', () => {
  interface Metadata {
    readonly statusCode: number;
    readonly headers: Record<string, string>;
  }
  type Invoke = (event: object, output: Writable, context: object) => Promise<void>;

  let metadata: Metadata | undefined;
  let invoke: Invoke;

  beforeEach(async () => {
    metadata = undefined;
    vi.stubGlobal('awslambda', {
      streamifyResponse: (handler: Invoke) => handler,
      HttpResponseStream: {
        from(output: Writable, given: Metadata) {
          metadata = given;
          return output;
        },
      },
    });
    invoke = ((await import('../../examples/lambda-streaming.ts')) as unknown as { handler: Invoke }).handler;
  });

  /** Invokes the function as Lambda does for an HTTP request. */
  async function request(remainingMs = 30_000): Promise<string> {
    const output = new PassThrough();
    const body = JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }] });
    const event = { body: Buffer.from(body).toString('base64'), isBase64Encoded: true };
    const context = { getRemainingTimeInMillis: () => remainingMs };
    const [received] = await Promise.all([text(output), invoke(event, output, context)]);
    return received;
  }

  it('streams the completion', async () => {
    const received = await request();

    expect(metadata).toMatchObject({ statusCode: 200 });
    expect(metadata?.headers['content-type']).toMatch(/^text\/event-stream/);
    const reader = new ChatClient({ apiKey: 'unused-api-key', fetch: async () => new Response(received) });
    const completion = await reader.stream({ model: 'm', messages: [] }).completion();
    expect(completion.choices[0].message.content).toBe('Hello');
  });

  it('responds with 502 if the call fails', async () => {
    const log = vi.spyOn(console, 'error').mockReturnValue();
    drun.faults.always({ plane: 'data', status: 500 });

    expect(await request()).toBe('The model is not available.');

    expect(metadata).toMatchObject({ statusCode: 502 });
    expect(log).toHaveBeenCalledWith(expect.any(ServerError));
  });

  it('responds with 502 before Lambda ends the invocation', async () => {
    const log = vi.spyOn(console, 'error').mockReturnValue();
    drun.faults.always({ plane: 'data', delayMs: 60_000 });

    expect(await request(1000)).toBe('The model is not available.');

    expect(log).toHaveBeenCalledWith(expect.objectContaining({ name: 'TimeoutError' }));
  });
});

describe('queue-worker.ts', () => {
  const job = (change: Partial<Job> = {}): Job => ({
    messages: [{ role: 'user', content: 'Hello' }],
    deadline: Date.now() + 600_000,
    delivery: 1,
    ...change,
  });

  it('returns the reply', async () => {
    expect(await handle(job())).toEqual({ status: 'done', reply: 'Hello' });
  });

  it.each([{ status: 429 }, { status: 503 }, { dropConnection: true }, { truncateAfterChunks: 1 }])(
    'retries a temporary failure: %o',
    async (fault) => {
      drun.faults.always({ plane: 'data', ...fault });

      expect(await handle(job())).toEqual({ status: 'retry', delayMs: expect.any(Number) });
    },
  );

  it('waits for the duration in `Retry-After`', async () => {
    drun.faults.always({ plane: 'data', status: 429, headers: { 'retry-after': '90' } });

    expect(await handle(job())).toEqual({ status: 'retry', delayMs: 90_000 });
  });

  it('waits longer after each delivery, up to a limit', async () => {
    drun.faults.always({ plane: 'data', status: 503 });

    const outcomes = [
      await handle(job()),
      await handle(job({ delivery: 4 })),
      await handle(job({ delivery: 20 })),
    ];

    expect(outcomes).toMatchObject([{ delayMs: 1000 }, { delayMs: 8000 }, { delayMs: 150_000 }]);
  });

  it('fails a job after a permanent error', async () => {
    drun.faults.always({ plane: 'data', status: 400 });

    expect(await handle(job())).toEqual({ status: 'failed', reason: 'invalid_request' });
  });

  it('fails a job if `Retry-After` exceeds its deadline', async () => {
    drun.faults.always({ plane: 'data', status: 429, headers: { 'retry-after': '1000' } });

    expect(await handle(job())).toEqual({ status: 'failed', reason: 'rate_limited' });
  });

  it('stops at the deadline', async () => {
    drun.faults.always({ plane: 'data', stallAfterChunks: 1, stallMs: 60_000 });

    expect(await handle(job({ deadline: Date.now() + 50 }))).toEqual({
      status: 'failed',
      reason: 'deadline_exceeded',
    });
    expect(await handle(job({ deadline: 0 }))).toEqual({ status: 'failed', reason: 'deadline_exceeded' });
  });
});

describe('tenants.ts', () => {
  it('uses the key of the current tenant', async () => {
    const tenants = ['green', 'blue'].map((name) => drun.keys.create({ name }));

    await Promise.all(
      tenants.map(({ name, secret }) => asTenant(secret.reveal(), () => summarize(`Order of ${name}`))),
    );

    const used = Array.from(drun.requests, ({ credential }) => credential).sort();
    expect(used).toEqual(tenants.map(({ secret }) => secret.masked).sort());
  });

  it('does not try another key after a rejection', async () => {
    const unknown = asTenant('sk-unknown-key-of-a-tenant', () => summarize('Order'));

    await expect(unknown).rejects.toThrow(AuthenticationError);
    expect([...drun.requests]).toHaveLength(1);
  });

  it('fails outside of a request', async () => {
    await expect(summarize('Order')).rejects.toThrow('No tenant');
    expect([...drun.requests]).toEqual([]);
  });
});
