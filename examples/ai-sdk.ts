/**
 * The AI SDK with keys from drun-sdk. Each request uses the current key. A request that is rejected with
 * 401 is repeated with the new key. Errors contain no keys.
 *
 *   DRUN_API_KEY=sk-… node examples/ai-sdk.ts
 */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, streamText } from 'ai';
import { ChatClient } from 'drun-sdk/chat';

// The client calls a key provider before every request, and again after a 401. A KeyRing is also a key provider.
const apiKey = (): string => process.env.DRUN_API_KEY ?? '';
const chat = new ChatClient({ apiKey });

// Must have the origin of the ChatClient's base URL.
const baseURL = `${process.env.DRUN_CHAT_URL ?? 'https://chat.d.run'}/v1`;
const drun = createOpenAICompatible({ name: 'drun', baseURL, fetch: chat.fetch });

const model = drun('public/deepseek-r1');
const prompt = 'Hello, model!';

const { text } = await generateText({ model, prompt });
console.log(text);

const { textStream } = streamText({ model, prompt });
for await (const part of textStream) process.stdout.write(part);
process.stdout.write('\n');
