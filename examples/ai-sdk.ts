/**
 * The AI SDK over the key handling of drun-sdk: its calls go out with the key of the moment, a key that was replaced
 * under way is noticed at the first refusal, and no error shows one.
 *
 *   DRUN_API_KEY=sk-… node examples/ai-sdk.ts
 */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, streamText } from 'ai';
import { ChatClient } from 'drun-sdk/chat';

// Wherever your keys are: asked before every request, and once more when the service has refused what it gave.
const apiKey = (): string => process.env.DRUN_API_KEY ?? '';
const chat = new ChatClient({ apiKey });

const drun = createOpenAICompatible({ name: 'drun', baseURL: 'https://chat.d.run/v1', fetch: chat.fetch });

const model = drun('public/deepseek-r1');
const prompt = 'Hello, model!';

const { text } = await generateText({ model, prompt });
console.log(text);

const { textStream } = streamText({ model, prompt });
for await (const piece of textStream) process.stdout.write(piece);
process.stdout.write('\n');
