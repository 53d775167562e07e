import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateText, jsonSchema, streamText, tool } from 'ai';
import { createEmulator, type EmulatorOptions } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import { describe, expect, it, onTestFinished } from 'vitest';

/** Creates a model of the AI SDK as documented, with only a base URL and a key. */
async function modelOf(options: EmulatorOptions = {}, apiKey?: string) {
  const drun = createEmulator(options);
  const server = await serve(drun);
  onTestFinished(() => server.close());
  const provider = createOpenAICompatible({
    name: 'drun',
    baseURL: `${server.url}/v1`,
    apiKey: apiKey ?? drun.keys.create({ name: 'ai-sdk' }).secret.reveal(),
  });
  return { drun, model: provider('public/deepseek-r1') };
}

const weather = tool({
  description: 'The weather in a city',
  inputSchema: jsonSchema<{ city: string }>({
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
  }),
  execute: async ({ city }) => `sunny in ${city}`,
});

describe('the AI SDK', () => {
  it('generates text and reports the usage', async () => {
    const { model } = await modelOf();
    const { text, finishReason, usage } = await generateText({ model, prompt: 'Hello, model!' });
    expect(text).toBe('Hello, model!');
    expect(finishReason).toBe('stop');
    expect(usage).toMatchObject({ inputTokens: 4, outputTokens: 4, totalTokens: 8 });
  });

  it('streams text, with reasoning and usage', async () => {
    const { model } = await modelOf({ reply: { reasoning: 'I think.', content: 'Good morning!' } });
    const result = streamText({ model, prompt: 'Hello!' });
    let text = '';
    for await (const chunk of result.textStream) text += chunk;
    expect(text).toBe('Good morning!');
    expect(await result.reasoningText).toBe('I think.');
    expect(await result.usage).toMatchObject({ totalTokens: 8 });
    expect(await result.finishReason).toBe('stop');
  });

  it.each(['whole', 'in pieces'])('runs a tool whose call arrives %s', async (mode) => {
    const { model } = await modelOf({
      reply: { toolCalls: [{ name: 'weather', arguments: { city: 'Paris' } }] },
    });
    const request = { model, prompt: 'Do I need an umbrella?', tools: { weather } };
    const { toolCalls, toolResults } =
      mode === 'whole' ? await generateText(request) : await settled(streamText(request));
    expect(toolCalls).toMatchObject([{ toolName: 'weather', input: { city: 'Paris' } }]);
    expect(toolResults).toMatchObject([{ output: 'sunny in Paris' }]);
  });

  it('reports a rejected key', async () => {
    const { model } = await modelOf({}, 'sk-unknown');
    const failing = generateText({ model, prompt: 'Hello!', maxRetries: 0 });
    await expect(failing).rejects.toSatisfy(
      (error: unknown) => APICallError.isInstance(error) && error.statusCode === 401,
    );
  });

  it('retries after a 503', async () => {
    const { drun, model } = await modelOf();
    // The AI SDK respects `retry-after`.
    drun.faults.next({ status: 503, headers: { 'retry-after-ms': '1' } });
    const { text } = await generateText({ model, prompt: 'Hello!', maxRetries: 1 });
    expect(text).toBe('Hello!');
    expect(Array.from(drun.requests, ({ status }) => status)).toEqual([503, 200]);
  });
});

/** Reads a stream to its end. Returns its tool calls and their results. */
async function settled(result: {
  readonly toolCalls: PromiseLike<readonly unknown[]>;
  readonly toolResults: PromiseLike<readonly unknown[]>;
}): Promise<{ toolCalls: readonly unknown[]; toolResults: readonly unknown[] }> {
  return { toolCalls: await result.toolCalls, toolResults: await result.toolResults };
}
