import { ApiKeys } from 'drun-sdk';
import { createEmulator } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import OpenAI from 'openai';
import { expect, test } from 'vitest';

const model = 'public/deepseek-r1';
const messages = [{ role: 'user' as const, content: 'Hello, model!' }];

test('the openai client uses a key that ApiKeys made, until the key is deleted', async () => {
  const drun = createEmulator();
  await using server = await serve(drun);
  const keys = new ApiKeys({ accessToken: drun.accessToken, baseUrl: server.url });
  const created = await keys.create({ name: 'openai' });
  const openai = new OpenAI({ apiKey: created.secret.reveal(), baseURL: `${server.url}/v1`, maxRetries: 0 });

  const answer = await openai.chat.completions.create({ model, messages });
  expect(answer.choices[0]?.message.content).toBe('Hello, model!');

  await keys.delete(created.id);
  await expect(openai.chat.completions.create({ model, messages })).rejects.toMatchObject({ status: 401 });
});

test('the openai client streams', async () => {
  const drun = createEmulator();
  await using server = await serve(drun);
  const keys = new ApiKeys({ accessToken: drun.accessToken, baseUrl: server.url });
  const { secret } = await keys.create({ name: 'openai' });
  const openai = new OpenAI({ apiKey: secret.reveal(), baseURL: `${server.url}/v1`, maxRetries: 0 });

  let text = '';
  for await (const chunk of await openai.chat.completions.create({ model, messages, stream: true })) {
    text += chunk.choices[0]?.delta.content ?? '';
  }

  expect(text).toBe('Hello, model!');
});
