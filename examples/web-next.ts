/**
 * A streaming route in Next.js (`app/api/chat/route.ts`) and other frameworks with web handlers: SvelteKit, Remix,
 * Cloudflare Workers, Deno, Bun.
 */
import { ChatClient, type ChatMessage } from 'drun-sdk/chat';
import { isDrunError } from 'drun-sdk/errors';

const chat = new ChatClient({ apiKey: () => process.env.DRUN_API_KEY ?? '' });

export async function POST(request: Request): Promise<Response> {
  const { messages } = (await request.json()) as { messages: ChatMessage[] };
  // The signal aborts the call when the end user's client disconnects.
  const stream = chat.stream({ model: 'public/deepseek-r1', messages }, { signal: request.signal });
  try {
    // Until the first chunk arrives, the response can still have an error status.
    await stream.opened;
  } catch (error) {
    console.error(error);
    const isBusy = isDrunError(error) && error.code === 'rate_limited';
    return Response.json({ error: 'The model is not available.' }, { status: isBusy ? 429 : 502 });
  }
  return stream.toResponse({ heartbeatMs: 15_000, onError: (error) => console.error(error) });
}
