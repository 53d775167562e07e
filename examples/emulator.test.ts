/**
 * How to test code that calls d.run, with Vitest and msw: the code under test needs no option for it.
 */
import { ChatClient, type Secret } from 'drun-sdk';
import { createEmulator } from 'drun-sdk/emulator';
import { handlers } from 'drun-sdk/emulator/msw';
import { setupServer } from 'msw/node';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';

/** The code under test. */
async function summarise(text: string, apiKey: Secret): Promise<string> {
  const chat = new ChatClient({ apiKey });
  const messages = [
    { role: 'system', content: 'Summarise in one sentence.' },
    { role: 'user', content: text },
  ] as const;
  let summary = '';
  for await (const piece of chat.stream({ model: 'public/deepseek-r1', messages }).textStream)
    summary += piece;
  return summary;
}

const drun = createEmulator({ reply: 'All is well.' });
const server = setupServer(...handlers(drun));
beforeAll(() => server.listen({ onUnhandledFrame: 'error' }));
afterEach(() => drun.reset());
afterAll(() => server.close());

it('summarises', async () => {
  const { secret } = drun.keys.create({ name: 'summaries' });
  expect(await summarise('It was a dark and stormy night.', secret)).toBe('All is well.');
  expect(Array.from(drun.requests, ({ operation }) => operation)).toEqual(['chat']);
});

it('does not take half a summary for a whole one', async () => {
  const { secret } = drun.keys.create({ name: 'summaries' });
  drun.faults.next({ operation: 'chat', truncateAfterChunks: 3 });
  await expect(summarise('It was a dark and stormy night.', secret)).rejects.toMatchObject({
    code: 'stream_truncated',
  });
});

it('says that its key is refused', async () => {
  const { id, secret } = drun.keys.create({ name: 'summaries' });
  drun.keys.delete(id);
  await expect(summarise('It was a dark and stormy night.', secret)).rejects.toMatchObject({
    code: 'authentication_failed',
    maskedKey: secret.masked,
  });
});
