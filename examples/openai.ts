/**
 * The `openai` client with keys from drun-sdk. Each request uses the current key. A request that is rejected with
 * 401 is repeated with the new key. Errors contain no keys.
 *
 *   DRUN_API_KEY=sk-… node examples/openai.ts
 */
import { ChatClient } from 'drun-sdk/chat';
import OpenAI from 'openai';

// The client calls a key provider before every request, and again after a 401. A KeyRing is also a key provider.
const apiKey = (): string => process.env.DRUN_API_KEY ?? '';
const chat = new ChatClient({ apiKey });

// Must have the origin of the ChatClient's base URL.
const baseURL = `${process.env.DRUN_CHAT_URL ?? 'https://chat.d.run'}/v1`;
// The client requires a key, but `chat.fetch` replaces it.
const openai = new OpenAI({ apiKey: 'unused', baseURL, fetch: chat.fetch });

const model = 'public/deepseek-r1';
const messages = [{ role: 'user' as const, content: 'Hello, model!' }];

const completion = await openai.chat.completions.create({ model, messages });
console.log(completion.choices[0]?.message.content);

const stream = await openai.chat.completions.create({ model, messages, stream: true });
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? '');
process.stdout.write('\n');
