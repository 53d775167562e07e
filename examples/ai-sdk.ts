/**
 * The AI SDK with keys from drun-sdk. Each request uses the current key, a replaced key is picked up after the first 401,
 * and errors contain no keys.
 *
 *   DRUN_API_KEY=sk-… node examples/ai-sdk.ts
 */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, streamText } from 'ai';
import { ChatClient } from 'drun-sdk/chat';

// A key provider is called before every request, and again after a 401. A KeyRing is also a key provider.
const apiKey = (): string => process.env.DRUN_API_KEY ?? '';
const chat = new ChatClient({ apiKey });

const drun = createOpenAICompatible({ name: 'drun', baseURL: 'https://chat.d.run/v1', fetch: chat.fetch });

const model = drun('public/deepseek-r1');
const prompt = 'Hello, model!';

const { text } = await generateText({ model, prompt });
console.log(text);

const { textStream } = streamText({ model, prompt });
for await (const part of textStream) process.stdout.write(part);
process.stdout.write('\n');
