import { ApiKeys } from 'drun-sdk';
import { createEmulator, type Emulator, type EmulatorOptions } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import OpenAI from 'openai';
import { describe, expect, onTestFinished, test } from 'vitest';
import { weatherTool } from './weather-tool.ts';

const model = 'public/deepseek-r1';
const messages = [{ role: 'user' as const, content: 'Hello, model!' }];

/** Creates an OpenAI client with only a base URL and a key. */
async function clientOf(options: EmulatorOptions = {}): Promise<{ drun: Emulator; openai: OpenAI }> {
  const drun = createEmulator(options);
  const server = await serve(drun);
  onTestFinished(() => server.close());
  const apiKey = drun.keys.create({ name: 'openai' }).secret.reveal();
  return { drun, openai: new OpenAI({ apiKey, baseURL: `${server.url}/v1` }) };
}

test('the openai client uses a key created by ApiKeys until the key is deleted', async () => {
  const drun = createEmulator();
  await using server = await serve(drun);
  const keys = new ApiKeys({ accessToken: drun.accessToken, baseUrl: server.url });
  const created = await keys.create({ name: 'openai' });
  const openai = new OpenAI({ apiKey: created.secret.reveal(), baseURL: `${server.url}/v1`, maxRetries: 0 });

  const completion = await openai.chat.completions.create({ model, messages });
  expect(completion.choices[0]?.message.content).toBe('Hello, model!');

  await keys.delete(created.id);
  await expect(openai.chat.completions.create({ model, messages })).rejects.toMatchObject({ status: 401 });
});

describe('the openai client', () => {
  test('streams text, with usage that was not requested', async () => {
    const { openai } = await clientOf();
    let text = '';
    let total: number | undefined;
    for await (const chunk of await openai.chat.completions.create({ model, messages, stream: true })) {
      text += chunk.choices[0]?.delta.content ?? '';
      total = chunk.usage?.total_tokens ?? total;
    }
    expect(text).toBe('Hello, model!');
    expect(total).toBe(8);
  });

  test('assembles a streamed tool call', async () => {
    const { openai } = await clientOf({
      reply: { toolCalls: [{ name: 'weather', arguments: { city: 'Paris' } }] },
    });
    const stream = openai.chat.completions.stream({ model, messages });
    expect((await stream.finalChatCompletion()).choices).toMatchObject([
      {
        finish_reason: 'tool_calls',
        message: {
          tool_calls: [
            { id: expect.any(String), function: { name: 'weather', arguments: '{"city":"Paris"}' } },
          ],
        },
      },
    ]);
  });

  test('runs tools until the model replies', async () => {
    const { openai } = await clientOf({
      reply: ({ request }) =>
        request.messages.at(-1)?.role === 'tool'
          ? `It is ${request.messages.at(-1)?.content}.`
          : { toolCalls: [{ name: 'weather', arguments: { city: 'Paris' } }] },
    });
    const runner = openai.chat.completions.runTools({
      model,
      messages,
      tools: [weatherTool((city) => `sunny in ${city}`)],
    });
    expect(await runner.finalContent()).toBe('It is sunny in Paris.');
  });

  test('lists models and completes text', async () => {
    const { openai } = await clientOf();
    const models = await Array.fromAsync(openai.models.list());
    expect(models.map(({ id }) => id)).toEqual(['public/deepseek-r1', 'u-8105f7322477/test']);
    const { choices } = await openai.completions.create({ model, prompt: 'Hello!' });
    expect(choices[0]?.text).toBe('Hello!');
  });

  test.each([
    [400, OpenAI.BadRequestError],
    [401, OpenAI.AuthenticationError],
    [403, OpenAI.PermissionDeniedError],
    [404, OpenAI.NotFoundError],
    [429, OpenAI.RateLimitError],
    [500, OpenAI.InternalServerError],
  ])('maps a %d to its error class', async (status, type) => {
    const { drun, openai } = await clientOf();
    drun.faults.always({ status });
    const failing = openai.chat.completions.create({ model, messages }, { maxRetries: 0 });
    await expect(failing).rejects.toBeInstanceOf(type);
  });

  test('retries after a lost connection and a 503', async () => {
    const { drun, openai } = await clientOf();
    drun.faults.next({ dropConnection: true });
    drun.faults.next({ status: 503, headers: { 'retry-after-ms': '1' } });
    const { choices } = await openai.chat.completions.create({ model, messages }, { maxRetries: 2 });
    expect(choices[0]?.message.content).toBe('Hello, model!');
    expect(Array.from(drun.requests, ({ status }) => status)).toEqual([undefined, 503, 200]);
  });

  test('reports an error during a stream', async () => {
    const { drun, openai } = await clientOf();
    drun.faults.next({ errorAfterChunks: 2 });
    const stream = await openai.chat.completions.create({ model, messages, stream: true });
    const reading = (async () => {
      for await (const _ of stream);
    })();
    await expect(reading).rejects.toBeInstanceOf(OpenAI.APIError);
  });
});
