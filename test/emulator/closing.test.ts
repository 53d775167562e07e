import { createEmulator, type EmulatedRequest } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { CHAT, chat, createKey, withKey } from './wire.ts';

describe('a disposed emulator', () => {
  it('rejects further requests like a stopped server', async () => {
    let fetch: ReturnType<typeof createEmulator>['fetch'];
    {
      await using drun = createEmulator();
      ({ fetch } = drun);
      await createKey(drun);
      expect((await fetch(`${CHAT}/v1/models`)).status).toBe(401);
    }
    await expect(fetch(`${CHAT}/v1/models`)).rejects.toMatchObject({
      name: 'TypeError',
      message: 'fetch failed',
      cause: { code: 'ECONNREFUSED' },
    });
  });

  it('aborts streams, pending replies and delays', async () => {
    const { drun, key } = await withKey({
      async *reply({ request }) {
        if (request.stream !== true) await new Promise(() => {});
        for (;;) yield 'more ';
      },
    });
    const response = await chat(drun, key, { stream: true });
    const reader = response.body?.getReader();
    await reader?.read();
    const pendingReply = chat(drun, key);
    drun.faults.next({ operation: 'models', delayMs: 100_000 });
    const delayed = drun.fetch(`${CHAT}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    const settled = Promise.allSettled([reader?.read(), pendingReply, delayed]);
    await drun[Symbol.asyncDispose]();
    const lost = { status: 'rejected', reason: { cause: { code: 'ECONNRESET' } } };
    expect(await settled).toMatchObject([lost, lost, lost]);
  });

  it('can be closed twice', async () => {
    const drun = createEmulator();
    await drun[Symbol.asyncDispose]();
    await drun[Symbol.asyncDispose]();
  });
});

describe('onRequest', () => {
  it('is called when the response has ended', async () => {
    let now = 1_000;
    const requests: EmulatedRequest[] = [];
    const { drun, key } = await withKey({ now: () => now, onRequest: (request) => requests.push(request) });
    expect(requests).toMatchObject([
      { operation: 'create', status: 200, durationMs: 0, at: new Date(1_000) },
    ]);
    const response = await chat(drun, key, { stream: true });
    expect(requests).toHaveLength(1);
    now += 250;
    await response.text();
    expect(requests.slice(1)).toMatchObject([{ operation: 'chat', status: 200, durationMs: 250 }]);
    expect(JSON.stringify(requests)).not.toContain(key);
  });

  it('is called for responses that are canceled or lost', async () => {
    const requests: EmulatedRequest[] = [];
    const { drun, key } = await withKey({ onRequest: (request) => requests.push(request) });
    const reader = (await chat(drun, key, { stream: true })).body?.getReader();
    await reader?.read();
    await reader?.cancel();
    drun.faults.next({ dropConnection: true });
    await chat(drun, key).catch(() => {});
    drun.faults.next({ dropAfterChunks: 1 });
    await (await chat(drun, key, { stream: true })).text().catch(() => {});
    expect(requests.map(({ status, faults }) => [status, faults])).toEqual([
      [200, undefined],
      [200, undefined],
      [undefined, ['dropConnection']],
      [200, ['dropAfterChunks']],
    ]);
  });

  it('may throw without affecting the response', async () => {
    const drun = createEmulator({
      onRequest: () => {
        throw new Error('no disk space');
      },
    });
    expect((await drun.fetch(`${CHAT}/v1/models`)).status).toBe(401);
  });
});
