/**
 * AWS Lambda with response streaming: sends a model's reply to the end user's client as server-sent events.
 *
 * Deploy it behind a function URL with the invoke mode RESPONSE_STREAM, and set the environment variable DRUN_API_KEY.
 */
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ChatClient, type ChatMessage } from 'drun-sdk/chat';

interface Event {
  readonly body?: string;
  readonly isBase64Encoded?: boolean;
}
interface Context {
  getRemainingTimeInMillis(): number;
}
type Handler = (event: Event, output: Writable, context: Context) => Promise<void>;

/** A global object in Lambda's Node runtime. */
declare const awslambda: {
  streamifyResponse(handler: Handler): Handler;
  readonly HttpResponseStream: {
    from(output: Writable, metadata: { statusCode: number; headers: Record<string, string> }): Writable;
  };
};

const chat = new ChatClient({ apiKey: () => process.env.DRUN_API_KEY ?? '' });

export const handler = awslambda.streamifyResponse(async (event, output, context) => {
  const body = Buffer.from(event.body ?? '', event.isBase64Encoded ? 'base64' : 'utf8').toString();
  const { messages } = JSON.parse(body) as { messages: ChatMessage[] };
  // Abort one second before Lambda ends the invocation, so that there is time to report the error.
  const signal = AbortSignal.timeout(Math.max(context.getRemainingTimeInMillis() - 1000, 0));
  const stream = chat.stream({ model: 'public/deepseek-r1', messages }, { signal });
  try {
    await stream.opened;
  } catch (error) {
    console.error(error);
    const headers = { 'content-type': 'text/plain' };
    awslambda.HttpResponseStream.from(output, { statusCode: 502, headers }).end(
      'The model is not available.',
    );
    return;
  }
  const { headers, body: events } = stream.toResponse({ onError: (error) => console.error(error) });
  const response = awslambda.HttpResponseStream.from(output, {
    statusCode: 200,
    headers: Object.fromEntries(headers),
  });
  // If the end user's client disconnects, `pipeline` cancels the event stream, which aborts the call.
  if (events !== null) await pipeline(events, response).catch((error) => console.warn(error));
});
