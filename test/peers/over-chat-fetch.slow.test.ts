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

/*
 * Clients that we did not write, over the key handling of ours, on a service that accepts only keys that it issued.
 */

const model = 'public/deepseek-r1';
const prompt = 'Hello, model!';
const messages = [{ role: 'user' as const, content: prompt }];

/** A model that first asks for the weather in Paris, and then says what it was told. */
const callsTools: ReplyFunction = ({ request }) => {
  const told = request.messages.find(({ role }) => role === 'tool');
  if (told) return `It is ${JSON.stringify(told.content)}.`;
  const call = {
    id: 'call-1',
    type: 'function',
    function: { name: 'weather', arguments: '{"city":"Paris"}' },
  };
  return { choices: [{ message: { tool_calls: [call] }, finish_reason: 'tool_calls' }] };
};

/** What another client is asked to do. */
interface Peer {
  readonly complete: () => Promise<string | null | undefined>;
  readonly stream: () => Promise<string>;
  /** Lets the model call a tool, and gives what it says in the end. */
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
        for await (const piece of textStream) text += piece;
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
    /** As a cache is: it hears of the other key by the refusal of the one that it has. */
    const apiKey: Credential = ({ rejected }) => {
      if (rejected) known = current.secret;
      return known;
    };
    const { complete, stream } = peer(`${url}/v1`, new ChatClient({ apiKey, baseUrl: url }).fetch);
    let started = 0;

    /** Half of the calls are streams; the key is replaced while twenty of them are under way. */
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
