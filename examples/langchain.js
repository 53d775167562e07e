/**
 * LangChain with keys from drun-sdk. Each request uses the current key, a replaced key is picked up after the first 401, and
 * errors contain no keys.
 *
 *   npm install drun-sdk @langchain/openai @langchain/core
 *   DRUN_API_KEY=sk-… node langchain.js
 */
import { ChatOpenAI } from '@langchain/openai';
import { ChatClient } from 'drun-sdk/chat';

// A key provider is called before every request, and again after a 401. A KeyRing is also a key provider.
const chat = new ChatClient({ apiKey: () => process.env.DRUN_API_KEY ?? '' });

const model = new ChatOpenAI({
  model: 'public/deepseek-r1',
  apiKey: 'unused', // required by LangChain, replaced by `chat.fetch`
  configuration: { baseURL: 'https://chat.d.run/v1', fetch: chat.fetch },
});

const { content } = await model.invoke('Hello, model!');
console.log(content);

for await (const chunk of await model.stream('Hello, model!')) process.stdout.write(chunk.content);
process.stdout.write('\n');
