/**
 * A streaming route in Express, or in any server with Node's request and response objects:
 *
 *   app.post('/chat', express.json(), streamChat);
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { ChatClient, type ChatMessage } from 'drun-sdk/chat';

const chat = new ChatClient({ apiKey: () => process.env.DRUN_API_KEY ?? '' });

type Request = IncomingMessage & { readonly body: { readonly messages: ChatMessage[] } };

export async function streamChat({ body }: Request, response: ServerResponse): Promise<void> {
  const stream = chat.stream({ model: 'public/deepseek-r1', messages: body.messages });
  response.once('close', () => stream.abort());
  try {
    await stream.opened;
  } catch (error) {
    console.error(error);
    response.writeHead(502).end('The model is not available.');
    return;
  }
  const { headers, body: events } = stream.toResponse({ onError: (error) => console.error(error) });
  response.writeHead(200, Object.fromEntries(headers));
  // If the client reads slowly, the stream slows down. If the client disconnects, the call is aborted.
  if (events !== null) await pipeline(events, response).catch(() => {});
}
