import { getEventListeners } from 'node:events';
import { createEmulator } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import { describe, expect, it } from 'vitest';
import { heapUsed, MIB } from '../support/heap.ts';

/** Returns a function that sends five requests of different kinds and reads their responses. */
function newRound(url: string, send: typeof fetch, key: string, token: string): () => Promise<void> {
  const sendRequest = (path: string, bearer: string, body?: object): Promise<Response> =>
    send(url + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${bearer}` },
      ...(body && { body: JSON.stringify(body) }),
    });
  const chat = (stream: boolean): Promise<Response> =>
    sendRequest('/v1/chat/completions', key, {
      model: 'public/deepseek-r1',
      messages: [{ role: 'user', content: 'Hello, model!' }],
      stream,
    });
  return async () => {
    await (await sendRequest('/v1/models', key)).text();
    await (await sendRequest('/apis/hydra.io/v1alpha1/apikeys', token)).text();
    await (await sendRequest('/v1/models', 'sk-unknown')).text();
    await (await chat(true)).text();
    await (await chat(false)).text();
  };
}

/** Returns the growth of the heap during the second half of the rounds. */
async function growthOver(rounds: number, round: () => Promise<void>): Promise<number> {
  // The first half fills everything that is kept up to a limit: the log, the usage and the deleted keys.
  for (let count = 0; count < rounds / 2; count++) await round();
  const before = await heapUsed();
  for (let count = 0; count < rounds / 2; count++) await round();
  return (await heapUsed()) - before;
}

describe('memory use does not grow', { timeout: 120_000 }, () => {
  it('after 10,000 requests in process', async () => {
    const drun = createEmulator();
    const key = drun.keys.create({ name: 'checkout' }).secret.reveal();
    const round = newRound('https://drun.test', drun.fetch, key, drun.accessToken.reveal());
    expect(await growthOver(2_000, round)).toBeLessThan(2 * MIB);
    expect([...drun.requests]).toHaveLength(1000);
  });

  it('after 3,000 requests over HTTP', async () => {
    const drun = createEmulator();
    await using server = await serve(drun);
    const key = drun.keys.create({ name: 'checkout' }).secret.reveal();
    const round = newRound(server.url, fetch, key, drun.accessToken.reveal());
    expect(await growthOver(600, round)).toBeLessThan(2 * MIB);
  });

  it('after 10,000 keys are created and deleted', async () => {
    const drun = createEmulator();
    const growth = await growthOver(10_000, async () => {
      drun.keys.delete(drun.keys.create({ name: 'checkout' }).id);
    });
    expect(growth).toBeLessThan(MIB);
  });
});

it('canceled and aborted streams leave no listener on their signals', async () => {
  const drun = createEmulator();
  const key = drun.keys.create({ name: 'checkout' }).secret.reveal();
  const controllers = Array.from({ length: 3 }, () => new AbortController());
  const requests = controllers.map(
    ({ signal }) =>
      new Request('https://chat.d.run/v1/chat/completions', {
        method: 'POST',
        headers: { authorization: `Bearer ${key}` },
        body: '{"model":"public/deepseek-r1","messages":[{"role":"user","content":"Hi"}],"stream":true}',
        signal,
      }),
  );
  const [left, dropped, aborted] = requests as [Request, Request, Request];
  await (await drun.fetch(left)).body?.cancel();
  drun.faults.next({ dropAfterChunks: 1 });
  await (await drun.fetch(dropped)).text().catch(() => {});
  const reading = (await drun.fetch(aborted)).text().catch(() => {});
  controllers[2]?.abort();
  await reading;
  for (const { signal } of requests) expect(getEventListeners(signal, 'abort')).toEqual([]);
});
