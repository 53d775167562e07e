/**
 * The clients that are compared. Each does what its documentation shows: a call that gives the text of the answer, and a
 * stream that is read to its end.
 */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, streamText } from 'ai';
import { ChatClient } from 'drun-sdk/chat';
import ky from 'ky';
import OpenAI from 'openai';
import { MODEL } from './answers.ts';
import { readPeer } from './peers.ts';

/** One client at one address. Both methods resolve with the text that came. */
interface Client {
  readonly call: () => Promise<string>;
  readonly stream: () => Promise<string>;
}

/** Makes a client for an address such as `http://127.0.0.1:4000/whole`, under which the paths of the service are. */
export type ClientMaker = (baseUrl: string) => Client;

/** The one that all others are measured by. */
export const BASELINE = 'fetch';

const apiKey = 'sk-UxO0kZv8mC1rT3qWn5bYd7fHj9LgPs2aE4iX6uN7ucU';
const messages = [{ role: 'user' as const, content: 'What is a cloud, in two sentences?' }];
const request = { model: MODEL, messages, temperature: 0.7 };

export async function loadClients(): Promise<ReadonlyMap<string, ClientMaker>> {
  return new Map<string, ClientMaker>([
    [BASELINE, rawFetch],
    ['drun-sdk', drunSdk],
    ['ky', kyClient],
    ['openai', openai],
    ['AI SDK', aiSdk],
    ['OpenRouter', await openRouter()],
    ['groq', await groq()],
  ]);
}

interface Answer {
  readonly choices: readonly {
    readonly message: { readonly content: string };
    readonly delta: { readonly content?: string };
  }[];
}

const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };

function rawFetch(baseUrl: string): Client {
  const post = (body: object): Promise<Response> =>
    fetch(`${baseUrl}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(body) });
  return {
    async call() {
      const answer = (await (await post(request)).json()) as Answer;
      return answer.choices[0]?.message.content ?? '';
    },
    async stream() {
      return readByHand(await post({ ...request, stream: true }));
    },
  };
}

function kyClient(baseUrl: string): Client {
  const post = (json: object): ReturnType<typeof ky> =>
    ky.post(`${baseUrl}/v1/chat/completions`, { headers, json, timeout: 600_000 });
  return {
    async call() {
      const answer = await post(request).json<Answer>();
      return answer.choices[0]?.message.content ?? '';
    },
    async stream() {
      return readByHand(await post({ ...request, stream: true }));
    },
  };
}

/** The least that reads this server's streams: no CR, no comments, no errors, no cut-off ends. */
async function readByHand({ body }: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let rest = '';
  for await (const bytes of body as ReadableStream<Uint8Array>) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line.startsWith('data: ') || line === 'data: [DONE]') continue;
      text += (JSON.parse(line.slice(6)) as Answer).choices[0]?.delta.content ?? '';
    }
  }
  return text;
}

function drunSdk(baseUrl: string): Client {
  const chat = new ChatClient({ apiKey, baseUrl });
  return {
    async call() {
      const answer = await chat.complete(request);
      return answer.choices[0].message.content ?? '';
    },
    stream: () => textOf(chat.stream(request)),
  };
}

function openai(baseUrl: string): Client {
  const client = new OpenAI({ apiKey, baseURL: `${baseUrl}/v1` });
  return {
    async call() {
      const answer = await client.chat.completions.create(request);
      return answer.choices[0]?.message.content ?? '';
    },
    async stream() {
      return textOf(await client.chat.completions.create({ ...request, stream: true }));
    },
  };
}

function aiSdk(baseUrl: string): Client {
  const provider = createOpenAICompatible({ name: 'drun', apiKey, baseURL: `${baseUrl}/v1` });
  const prompt = { model: provider(MODEL), messages, temperature: 0.7 };
  return {
    async call() {
      return (await generateText(prompt)).text;
    },
    async stream() {
      let text = '';
      for await (const piece of streamText(prompt).textStream) text += piece;
      return text;
    },
  };
}

async function openRouter(): Promise<ClientMaker> {
  const { OpenRouter } = await readPeer<{
    OpenRouter: new (options: object) => { chat: { send: (request: object) => Promise<unknown> } };
  }>('@openrouter/sdk');
  return (baseUrl) => {
    const client = new OpenRouter({ apiKey, serverURL: `${baseUrl}/v1` });
    return {
      async call() {
        const answer = (await client.chat.send({ chatRequest: request })) as Answer;
        return answer.choices[0]?.message.content ?? '';
      },
      async stream() {
        const chatRequest = { ...request, stream: true };
        return textOf((await client.chat.send({ chatRequest })) as AsyncIterable<Answer>);
      },
    };
  };
}

async function groq(): Promise<ClientMaker> {
  const { default: Groq } = await readPeer<{
    default: new (
      options: object,
    ) => { chat: { completions: { create: (request: object) => Promise<unknown> } } };
  }>('groq-sdk');
  return (baseUrl) => {
    const { completions } = new Groq({ apiKey, baseURL: baseUrl }).chat;
    return {
      async call() {
        const answer = (await completions.create(request)) as Answer;
        return answer.choices[0]?.message.content ?? '';
      },
      async stream() {
        return textOf((await completions.create({ ...request, stream: true })) as AsyncIterable<Answer>);
      },
    };
  };
}

/** What clients have in common that give chunks. */
interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string | null | undefined } }[];
}

async function textOf(chunks: AsyncIterable<Chunk>): Promise<string> {
  let text = '';
  for await (const { choices } of chunks) text += choices[0]?.delta.content ?? '';
  return text;
}
