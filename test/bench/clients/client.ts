import type { ChatCompletionRequest } from 'drun-sdk/chat';
import { MODEL } from '../model.ts';

/** One client, used as its documentation shows. */
export interface Client {
  /** Returns the text of a completion. */
  call(): Promise<string>;
  /** Reads a stream to its end. Returns its text. */
  stream(): Promise<string>;
  /** Opens a stream and reads its first chunk. Returns a function that aborts it. */
  open(): Promise<() => unknown>;
}

/** Creates a client for a base URL without `/v1`. */
export type CreateClient = (baseUrl: string) => Client;

export const apiKey = 'sk-UxO0kZv8mC1rT3qWn5bYd7fHj9LgPs2aE4iX6uN7ucU';
export const messages = [{ role: 'user' as const, content: 'What is a cloud, in two sentences?' }];
export const request = { model: MODEL, messages, temperature: 0.7 } satisfies ChatCompletionRequest;
export const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };

interface Completion {
  readonly choices: readonly { readonly message: { readonly content: string | null } }[];
}

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string | null | undefined } }[];
}

/** Builds a client on requests that return parsed completions and chunks. */
export function clientOf(
  call: () => Promise<Completion>,
  stream: () => AsyncIterable<Chunk> | Promise<AsyncIterable<Chunk>>,
): Client {
  return {
    async call() {
      return (await call()).choices[0]?.message.content ?? '';
    },
    async stream() {
      let text = '';
      for await (const { choices } of await stream()) text += choices[0]?.delta.content ?? '';
      return text;
    },
    async open() {
      return openIterable(await stream());
    },
  };
}

/** Reads the first item. Returns a function that ends the iteration. */
export async function openIterable(iterable: AsyncIterable<unknown>): Promise<() => unknown> {
  const iterator = iterable[Symbol.asyncIterator]();
  await iterator.next();
  return () => iterator.return?.();
}

/** Builds a client on requests that return bytes, with the least code that reads the server's streams. */
export function byteClientOf(
  call: () => Promise<unknown>,
  stream: () => Promise<AsyncIterable<Uint8Array>>,
): Client {
  return {
    async call() {
      return ((await call()) as Completion).choices[0]?.message.content ?? '';
    },
    async stream() {
      const decoder = new TextDecoder();
      let text = '';
      let rest = '';
      for await (const bytes of await stream()) {
        const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          if (!line.startsWith('data: ') || line === 'data: [DONE]') continue;
          text += (JSON.parse(line.slice(6)) as Chunk).choices[0]?.delta.content ?? '';
        }
      }
      return text;
    },
    async open() {
      return openIterable(await stream());
    },
  };
}
