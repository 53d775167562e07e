/**
 * The `openai` client over the key handling of drun-sdk: its calls go out with the key of the moment, a key that was
 * replaced under way is noticed at the first refusal, and no error shows one.
 *
 *   DRUN_API_KEY=sk-… node examples/openai.ts
 */
import { ChatClient } from 'drun-sdk/chat';
import OpenAI from 'openai';

// Wherever your keys are: asked before every request, and once more when the service has refused what it gave.
const apiKey = (): string => process.env.DRUN_API_KEY ?? '';
const chat = new ChatClient({ apiKey });

// The client asks for a key of its own, and never gets to use it.
const openai = new OpenAI({ apiKey: 'unused', baseURL: 'https://chat.d.run/v1', fetch: chat.fetch });

const model = 'public/deepseek-r1';
const messages = [{ role: 'user' as const, content: 'Hello, model!' }];

const answer = await openai.chat.completions.create({ model, messages });
console.log(answer.choices[0]?.message.content);

const stream = await openai.chat.completions.create({ model, messages, stream: true });
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? '');
process.stdout.write('\n');
