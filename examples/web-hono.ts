/** A streaming route in Hono. */
import { ChatClient, type ChatMessage } from 'drun-sdk/chat';
import { Hono } from 'hono';

const chat = new ChatClient({ apiKey: () => process.env.DRUN_API_KEY ?? '' });

export const app = new Hono();

app.post('/chat', async (c) => {
  const { messages } = await c.req.json<{ messages: ChatMessage[] }>();
  const { signal } = c.req.raw;
  const stream = chat.stream({ model: 'public/deepseek-r1', messages }, { signal });
  await stream.opened;
  return stream.toResponse({ heartbeatMs: 15_000, onError: (error) => console.error(error) });
});

app.onError((error, c) => {
  console.error(error);
  return c.json({ error: 'The model is not available.' }, 502);
});
