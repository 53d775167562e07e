import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, isStepCount, streamText, tool } from 'ai';
import { ApiKeys, ChatClient, type Credential } from 'drun-sdk';
import { createEmulator, type Emulator, type ReplyFunction } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import OpenAI from 'openai';
import { describe, expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { everythingShownOf, rejection } from '../support/failures.ts';
import { weatherTool } from './weather-tool.ts';

/* Other clients that send their requests with `chat.fetch` to an emulator. */

const model = 'public/deepseek-r1';
const prompt = 'Hello, model!';
const messages = [{ role: 'user' as const, content: prompt }];

/** A model that first calls the weather tool for Paris, and then replies with the result. */
const callsTools: ReplyFunction = ({ request }) => {
  const result = request.messages.find(({ role }) => role === 'tool');
  if (result) return `It is ${JSON.stringify(result.content)}.`;
  const call = {
    id: 'call-1',
    type: 'function',
    function: { name: 'weather', arguments: '{"city":"Paris"}' },
  };
  return { choices: [{ message: { tool_calls: [call] }, finish_reason: 'tool_calls' }] };
};

/** The functions of another client. */
interface Peer {
  readonly complete: () => Promise<string | null | undefined>;
  readonly stream: () => Promise<string>;
  /** Runs a tool that the model calls. Returns the last reply. */
  readonly callTool: (weather: (city: string) => string) => Promise<string | null | undefined>;
}

const peers: Record<string, (baseURL: string, fetch: ChatClient['fetch']) => Peer> = {
  openai(baseURL, fetch) {
    const { completions } = new OpenAI({ apiKey: 'unused', baseURL, fetch, maxRetries: 0 }).chat;
    return {
      complete: async () => (await completions.create({ model, messages })).choices[0]?.message.content,
      async stream() {
        let text = '';
        for await (const chunk of await completions.create({ model, messages, stream: true })) {
          text += chunk.choices[0]?.delta.content ?? '';
        }
        return text;
      },
      async callTool(weather) {
        const run = completions.runTools({
          model,
          messages,
          tools: [weatherTool(weather)],
        });
        return run.finalContent();
      },
    };
  },
  'the AI SDK'(baseURL, fetch) {
    const provider = createOpenAICompatible({ name: 'drun', baseURL, fetch });
    const options = { model: provider(model), prompt, maxRetries: 0 };
    return {
      complete: async () => (await generateText(options)).text,
      async stream() {
        let text = '';
        const { textStream } = streamText({
          ...options,
          onError: ({ error }) => {
            throw error;
          },
        });
        for await (const chunk of textStream) text += chunk;
        return text;
      },
      async callTool(weather) {
        const { text } = await generateText({
          ...options,
          tools: {
            weather: tool({
              description: 'The weather in a city',
              inputSchema: z.object({ city: z.string() }),
              execute: ({ city }) => weather(city),
            }),
          },
          stopWhen: isStepCount(5),
        });
        return text;
      },
    };
  },
};

interface Service {
  readonly drun: Emulator;
  readonly keys: ApiKeys;
  readonly url: string;
}

async function service(reply?: ReplyFunction): Promise<Service> {
  const drun = createEmulator({ reply });
  const server = await serve(drun);
  onTestFinished(() => server.close());
  return { drun, url: server.url, keys: new ApiKeys({ accessToken: drun.accessToken, baseUrl: server.url }) };
}

describe.each(Object.entries(peers))('%s over chat.fetch', (_, peer) => {
  async function connected(reply?: ReplyFunction): Promise<Peer> {
    const { keys, url } = await service(reply);
    const { secret } = await keys.create({ name: 'peer' });
    return peer(`${url}/v1`, new ChatClient({ apiKey: secret, baseUrl: url }).fetch);
  }

  test('completes', async () => {
    expect(await (await connected()).complete()).toBe(prompt);
  });

  test('streams', async () => {
    expect(await (await connected()).stream()).toBe(prompt);
  });

  test('calls tools', async () => {
    const cities: string[] = [];
    const { callTool } = await connected(callsTools);

    const text = await callTool((city) => {
      cities.push(city);
      return 'rain';
    });

    expect(cities).toEqual(['Paris']);
    expect(text).toContain('rain');
  });

  test('makes 200 calls without a failure while the key is replaced', async () => {
    const { drun, keys, url } = await service();
    let current = await keys.create({ name: 'before' });
    let known = current.secret;
    /** Caches a key, and replaces it only after the service rejects it. */
    const apiKey: Credential = ({ rejected }) => {
      if (rejected) known = current.secret;
      return known;
    };
    const { complete, stream } = peer(`${url}/v1`, new ChatClient({ apiKey, baseUrl: url }).fetch);
    let started = 0;

    /** Half of the calls are streams. The key is replaced while 20 calls are in progress. */
    const caller = async (): Promise<string[]> => {
      const texts: string[] = [];
      while (started < 200) {
        const number = started++;
        if (number === 100) {
          const old = current;
          current = await keys.create({ name: 'after' });
          await keys.delete(old.id);
        }
        texts.push((await (number % 2 === 0 ? complete() : stream())) ?? '');
      }
      return texts;
    };
    const texts = (await Promise.all(Array.from({ length: 20 }, caller))).flat();

    expect(texts).toEqual(Array.from({ length: 200 }, () => prompt));
    const statuses = [...drun.requests].filter(({ plane }) => plane === 'data').map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(200);
    expect(statuses, 'the service has refused the old key').toContain(401);
  });

  test('shows no key if it is rejected permanently', async () => {
    const { keys, url } = await service();
    const { id, secret } = await keys.create({ name: 'peer' });
    await keys.delete(id);
    const { complete } = peer(`${url}/v1`, new ChatClient({ apiKey: secret, baseUrl: url }).fetch);

    const error = await rejection(complete());

    expect(everythingShownOf(error)).toContain(secret.masked);
    expect(everythingShownOf(error)).not.toContain(secret.reveal().slice(3));
  });
});
