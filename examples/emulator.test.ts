/**
 * Tests code that calls d.run, using Vitest and msw. The code under test needs no special options.
 */
import { ChatClient, type Secret } from 'drun-sdk';
import { createEmulator } from 'drun-sdk/emulator';
import { handlers } from 'drun-sdk/emulator/msw';
import { setupServer } from 'msw/node';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';

/** The code under test. */
async function summarize(text: string, apiKey: Secret): Promise<string> {
  const chat = new ChatClient({ apiKey });
  const messages = [
    { role: 'system', content: 'Summarize in one sentence.' },
    { role: 'user', content: text },
  ] as const;
  let summary = '';
  for await (const part of chat.stream({ model: 'public/deepseek-r1', messages }).textStream) summary += part;
  return summary;
}

const drun = createEmulator({ reply: 'All is well.' });
const server = setupServer(...handlers(drun));
beforeAll(() => server.listen({ onUnhandledFrame: 'error' }));
afterEach(() => drun.reset());
afterAll(() => server.close());

it('returns the summary', async () => {
  const { secret } = drun.keys.create({ name: 'summaries' });
  expect(await summarize('It was a dark and stormy night.', secret)).toBe('All is well.');
  expect(Array.from(drun.requests, ({ operation }) => operation)).toEqual(['chat']);
});

it('throws if the summary is cut off', async () => {
  const { secret } = drun.keys.create({ name: 'summaries' });
  drun.faults.next({ operation: 'chat', truncateAfterChunks: 3 });
  await expect(summarize('It was a dark and stormy night.', secret)).rejects.toMatchObject({
    code: 'stream_truncated',
  });
});

it('throws if the service rejects the key', async () => {
  const { id, secret } = drun.keys.create({ name: 'summaries' });
  drun.keys.delete(id);
  await expect(summarize('It was a dark and stormy night.', secret)).rejects.toMatchObject({
    code: 'authentication_failed',
    maskedKey: secret.masked,
  });
});
