import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText } from 'ai';
import type { ChatClient } from 'drun-sdk';
import type { KeyRing } from 'drun-sdk/rotation';
import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { MODEL, question, type RingBench, ringBench, SECOND } from '../support/ring-bench.ts';

/*
 * Who uses a ring: our own client, and clients that we did not write. A rotation in the middle is nothing to any of them.
 */

type Ask = () => Promise<string | null | undefined>;

const baseURL = 'https://drun.test/v1';
const prompt = question.messages[0]?.content ?? '';

const clients: Record<string, (ring: KeyRing, bench: RingBench) => Ask> = {
  'a ChatClient'(ring, { chat }) {
    const client = chat(ring);
    return async () => (await client.complete(question)).choices[0]?.message.content;
  },
  'a ChatClient that streams'(ring, { chat }) {
    const client = chat(ring);
    return async () => (await Array.fromAsync(client.stream(question).textStream)).join('');
  },
  'openai over chat.fetch'(ring, { chat }) {
    return openai({ apiKey: 'unused', fetch: chat(ring).fetch });
  },
  'openai with a function for its apiKey'(ring, { drun }) {
    return openai({ apiKey: async () => (await ring.getKey()).reveal(), fetch: drun.fetch });
  },
  'the AI SDK over chat.fetch'(ring, { chat }) {
    const provider = createOpenAICompatible({ name: 'drun', baseURL, fetch: chat(ring).fetch });
    return async () => (await generateText({ model: provider(MODEL), prompt, maxRetries: 0 })).text;
  },
};

function openai(options: { apiKey: string | (() => Promise<string>); fetch: ChatClient['fetch'] }): Ask {
  const client = new OpenAI({ baseURL, maxRetries: 0, ...options });
  return async () => (await client.chat.completions.create(question)).choices[0]?.message.content;
}

describe.each(Object.entries(clients))('%s', (_, connect) => {
  test('asks 60 times while the key rotates three times, and no call fails', async () => {
    const bench = ringBench({ maxKeys: 2 });
    const rotator = bench.newRing();
    await rotator.reconcile();
    const ask = connect(bench.newReader(), bench);
    const answers: unknown[] = [];

    for (let call = 0; call < 60; call++) {
      const rotation = call % 20 === 10 ? rotator.rotate() : undefined;
      answers.push(await ask());
      await rotation;
      await bench.clock.advance(SECOND);
    }

    expect(answers).toEqual(Array.from({ length: 60 }, () => prompt));
    expect(rotator.status().epoch).toBe(4);
    const keys = new Set(Array.from(bench.drun.requests).flatMap(usedKey));
    expect(keys.size).toBeGreaterThanOrEqual(3);
  });
});

/** Which key a chat call was made with. */
function usedKey(request: { operation?: string | undefined; credential?: string | undefined }): string[] {
  return request.operation === 'chat' ? [request.credential ?? ''] : [];
}

const refreshing = Object.entries(clients).filter(([name]) => !name.includes('a function'));

describe.each(refreshing)('%s', (_, connect) => {
  test('is not refused where its key is revoked under it', async () => {
    const bench = ringBench();
    const rotator = bench.newRing();
    await rotator.reconcile();
    const ask = connect(bench.newReader(), bench);
    await ask();

    await rotator.revoke('current', { reason: 'leaked' });

    expect(await ask()).toBe(prompt);
  });
});

test('simultaneous calls of many clients survive a revocation, and ask the store a few times', async () => {
  const bench = ringBench();
  const rotator = bench.newRing();
  await rotator.reconcile();
  const reader = bench.newReader();
  const chats = Array.from({ length: 20 }, () => bench.chat(reader));
  await Promise.all(chats.map((chat) => chat.models()));
  await rotator.revoke('current');
  const { reads } = bench.store.counts;

  const answers = await Promise.all(chats.map((chat) => chat.complete(question)));

  expect(answers).toHaveLength(20);
  expect(bench.store.counts.reads - reads).toBeLessThanOrEqual(2);
});
