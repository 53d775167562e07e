import { RateLimitError } from 'drun-sdk/errors';
import { describe, expect, it, vi } from 'vitest';
import { rejectionOf } from '../../support/failures.ts';
import { json } from '../../support/network.ts';
import { fetchOf, GREETING, greeting, READERS } from '../../support/streams.ts';
import { chatClient, failure, request } from '../requests.ts';

describe('stream.opened', () => {
  it('sends the request and resolves when the first chunk has arrived', async () => {
    const stream = chatClient({ fetch: fetchOf(greeting()) }).stream(request());

    await stream.opened;

    expect(stream.response?.status).toBe(200);
  });

  it.each(READERS)('leaves every chunk to $name', async ({ read }) => {
    const fetch = vi.fn(fetchOf(greeting()));
    const stream = chatClient({ fetch }).stream(request());

    await stream.opened;

    expect(await read(stream)).toBe(GREETING);
    expect(fetch).toHaveBeenCalledOnce();
  });

  it('rejects with the error that came instead, like the reader', async () => {
    const fetch = async (): Promise<Response> => json(failure('x', 'y'), 429);
    const stream = chatClient({ fetch, maxRetries: 0 }).stream(request());

    const error = await rejectionOf(RateLimitError, stream.opened);

    await expect(stream.completion()).rejects.toBe(error);
  });

  it('rejects with the reason of an abort that came first', async () => {
    const fetch = vi.fn(fetchOf(greeting()));
    const stream = chatClient({ fetch }).stream(request());
    const reason = new Error('stopped');

    stream.abort(reason);

    await expect(stream.opened).rejects.toBe(reason);
    expect(fetch).not.toHaveBeenCalled();
  });
});
