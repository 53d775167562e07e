/* The parts of the fetched packages that the benchmark uses. */

declare module 'groq-sdk' {
  export { OpenAI as Groq } from 'openai';
}

declare module '@openrouter/sdk' {
  import type { ChatCompletion, ChatCompletionChunk, ChatCompletionRequest } from 'drun-sdk/chat';

  export class OpenRouter {
    constructor(options: { apiKey: string; serverURL: string });
    chat: {
      send(request: {
        chatRequest: Omit<ChatCompletionRequest, 'stream'> & { stream: true };
      }): Promise<AsyncIterable<ChatCompletionChunk>>;
      send(request: { chatRequest: ChatCompletionRequest }): Promise<ChatCompletion>;
    };
  }
}

declare module 'undici' {
  export function request(
    url: string,
    init: { method: string; headers: Record<string, string>; body: string },
  ): Promise<{ body: AsyncIterable<Uint8Array> & { json(): Promise<unknown> } }>;
}
