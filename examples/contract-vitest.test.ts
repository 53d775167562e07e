/**
 * Contract tests with Vitest. They check the behavior that an application relies on. They run against the emulator, or
 * against d.run if DRUN_ACCESS_TOKEN and DRUN_MODEL are set.
 */
import { ApiKeys, ChatClient, type CreatedApiKey } from 'drun-sdk';
import { createEmulator } from 'drun-sdk/emulator';
import { afterAll, beforeAll, expect, it } from 'vitest';

const { DRUN_ACCESS_TOKEN, DRUN_MODEL } = process.env;
const drun = createEmulator({ reply: 'Good morning!' });
const service =
  DRUN_ACCESS_TOKEN && DRUN_MODEL
    ? { accessToken: DRUN_ACCESS_TOKEN, model: DRUN_MODEL, options: {} }
    : {
        accessToken: drun.accessToken,
        model: 'public/deepseek-r1',
        options: { baseUrl: 'https://drun.test', fetch: drun.fetch },
      };

const keys = new ApiKeys({ ...service.options, accessToken: service.accessToken });
const request = { model: service.model, messages: [{ role: 'user' as const, content: 'Say good morning.' }] };
let key: CreatedApiKey;
let chat: ChatClient;

beforeAll(async () => {
  key = await keys.create({ name: 'contract-tests' });
  chat = new ChatClient({ ...service.options, apiKey: key.secret });
});

afterAll(() => keys.delete(key.id));

it('returns text, a finish reason and token usage', async () => {
  const { choices, usage } = await chat.complete(request);

  expect(choices[0].message.content).not.toBe('');
  expect(choices[0].finish_reason).toBe('stop');
  expect(usage?.total_tokens).toBeGreaterThan(0);
});

it('streams a completion in the same format', async () => {
  const { choices } = await chat.stream(request).completion();

  expect(choices[0].message.content).not.toBe('');
  expect(choices[0].finish_reason).toBe('stop');
});

it('rejects an unknown model with a stable error code', async () => {
  await expect(chat.complete({ ...request, model: 'public/unknown' })).rejects.toMatchObject({
    code: 'not_found',
  });
});

it('lists only masked keys', async () => {
  const listed = await Array.fromAsync(keys.list({ search: 'contract-tests' }));

  expect(listed.map(({ maskedKey }) => maskedKey)).toContain(key.maskedKey);
  expect(JSON.stringify(listed)).not.toContain(key.secret.reveal());
});
