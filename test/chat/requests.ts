import { ChatClient, type ChatClientOptions, type ChatCompletionRequest } from 'drun-sdk/chat';
import { KEY } from '../support/credentials.ts';

export const COMPLETIONS = 'https://chat.d.run/v1/chat/completions';
export const MODELS = 'https://chat.d.run/v1/models';

/** Creates a client with an API key. */
export function chatClient(options: ChatClientOptions = {}): ChatClient {
  return new ChatClient({ apiKey: KEY, ...options });
}

/** Creates a minimal request. */
export function request(fields: Record<string, unknown> = {}): ChatCompletionRequest {
  return { model: 'public/deepseek-r1', messages: [{ role: 'user', content: 'Hello, model!' }], ...fields };
}

/** A completion in the format of the service. */
export function completion(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1_772_000_000,
    model: 'public/deepseek-r1',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hello!' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
    ...fields,
  };
}

/** An error body of the data plane. */
export function failure(
  code: string | null,
  type: string,
  message = 'no',
  param: string | null = null,
): { error: Record<string, unknown> } {
  return { error: { code, message, param, type } };
}
