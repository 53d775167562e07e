import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, streamText } from 'ai';
import { MODEL } from '../model.ts';
import { apiKey, type CreateClient, messages, openIterable } from './client.ts';

export const createClient: CreateClient = (baseUrl) => {
  const provider = createOpenAICompatible({ name: 'drun', apiKey, baseURL: `${baseUrl}/v1` });
  const prompt = { model: provider(MODEL), messages, temperature: 0.7 };
  return {
    async call() {
      return (await generateText(prompt)).text;
    },
    async stream() {
      let text = '';
      for await (const part of streamText(prompt).textStream) text += part;
      return text;
    },
    async open() {
      const controller = new AbortController();
      const { textStream } = streamText({ ...prompt, abortSignal: controller.signal, onError: () => {} });
      await openIterable(textStream);
      return () => controller.abort();
    },
  };
};
