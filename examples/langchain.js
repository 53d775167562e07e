/**
 * LangChain with keys from drun-sdk. Each request uses the current key. A request that is rejected with
 * 401 is repeated with the new key. Errors contain no keys.
 *
 *   npm install drun-sdk @langchain/openai @langchain/core
 *   DRUN_API_KEY=sk-… node langchain.js
 */
import { ChatOpenAI } from '@langchain/openai';
import { ChatClient } from 'drun-sdk/chat';

// The client calls a key provider before every request, and again after a 401. A KeyRing is also a key provider.
const chat = new ChatClient({ apiKey: () => process.env.DRUN_API_KEY ?? '' });

// Must have the origin of the ChatClient's base URL.
const baseURL = `${process.env.DRUN_CHAT_URL ?? 'https://chat.d.run'}/v1`;

const model = new ChatOpenAI({
  model: 'public/deepseek-r1',
  apiKey: 'unused', // required by LangChain, but replaced by `chat.fetch`
  configuration: { baseURL, fetch: chat.fetch },
});

const { content } = await model.invoke('Hello, model!');
console.log(content);

for await (const chunk of await model.stream('Hello, model!')) process.stdout.write(chunk.content);
process.stdout.write('\n');
