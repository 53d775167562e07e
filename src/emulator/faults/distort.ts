import { dataOf, EventSplitter } from '../event-splitter.ts';
import { isEventStream } from '../http.ts';
import { LostConnection } from '../lost-connection.ts';
import type { Sleep } from '../sleep.ts';
import type { Distortion, MetFaults } from './met-faults.ts';

/** What waiting between two chunks takes. */
interface Waiting {
  readonly sleep: Sleep;
  readonly signal: AbortSignal;
}

type Bytes = Uint8Array<ArrayBuffer>;

/** The answer with what goes wrong in the middle of it. */
export async function distortedAnswer(
  response: Response,
  faults: MetFaults,
  waiting: Waiting,
): Promise<Response> {
  const { distortion, chunkDelayMs } = faults;
  // What nothing goes wrong with is not cut into events, which an upstream server's bytes may not be yet.
  if (distortion === undefined && chunkDelayMs === 0) return response;
  const { body, status, headers } = response;
  if (body !== null && isEventStream(response)) {
    return new Response(distortedStream(body, distortion, chunkDelayMs, waiting), { status, headers });
  }
  if (distortion === undefined) return response;
  return new Response(distortedText(await response.text(), distortion), { status, headers });
}

/** What becomes of an answer in one piece. */
function distortedText(
  text: string,
  { kind, afterChunks, errorEvent, errorObject }: Distortion,
): string | ReadableStream<Bytes> {
  if (kind === 'error') return JSON.stringify({ error: errorOf(errorEvent) });
  if (kind === 'nullEvent') return 'null';
  if (kind === 'errorBody') return INTERNAL_ERROR;
  if (kind === 'errorObject') return JSON.stringify(errorObject ?? ENGINE_ERROR);
  if (kind === 'malformedJson') return text.slice(0, -1);
  if (kind === 'truncate' && afterChunks === Number.POSITIVE_INFINITY) return text;
  const part = afterChunks === 0 ? '' : text.slice(0, Math.floor(text.length / 2));
  if (kind !== 'drop') return part;
  const pieces = part === '' ? [] : [encode(part)];
  return new ReadableStream(
    {
      pull(controller) {
        const piece = pieces.shift();
        if (piece === undefined) controller.error(new LostConnection());
        else controller.enqueue(piece);
      },
    },
    { highWaterMark: 0 },
  );
}

function distortedStream(
  body: ReadableStream<Bytes>,
  distortion: Distortion | undefined,
  chunkDelayMs: number,
  { sleep, signal }: Waiting,
): ReadableStream<Bytes> {
  const reader = body.getReader();
  const events = eventsOf(reader);
  let count = 0;
  const leave = (): void => void reader.cancel().catch(() => {});

  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        const { done, value: event } = await events.next();
        if (done) return controller.close();
        if (count > 0 && chunkDelayMs > 0) await sleep(chunkDelayMs, signal);
        const isDue =
          distortion &&
          (count === distortion.afterChunks || (count < distortion.afterChunks && isEnd(event)));
        count++;
        if (!isDue) return controller.enqueue(encode(event));
        if (distortion.kind === 'malformedJson') return controller.enqueue(encode(broken(event)));
        leave();
        if (distortion.kind === 'drop') return controller.error(new LostConnection());
        const last = lastEvent(event, distortion);
        if (last !== '') controller.enqueue(encode(last));
        controller.close();
      },
      cancel: leave,
    },
    { highWaterMark: 0 },
  );
}

/** What still comes of a stream that ends with a fault. */
function lastEvent(event: string, { kind, errorEvent, errorObject }: Distortion): string {
  if (kind === 'error') return `data: ${JSON.stringify({ error: errorOf(errorEvent) })}\n\n`;
  if (kind === 'nullEvent') return 'data: null\n\n';
  if (kind === 'errorBody') return INTERNAL_ERROR;
  if (kind === 'errorObject')
    return `data: ${JSON.stringify(errorObject ?? ENGINE_ERROR)}\n\ndata: [DONE]\n\n`;
  return kind === 'halfEvent' ? event.slice(0, Math.floor(event.length / 2)) : '';
}

/** The gateway's error for a model server's event that it cannot use. */
const INTERNAL_ERROR =
  '{"error":{"code":null,"message":"internal error","param":null,"type":"internal_error"}}';

/** An older vLLM's report of a failed engine. */
const ENGINE_ERROR = {
  code: 500,
  message: 'EngineCore died',
  object: 'error',
  param: null,
  type: 'InternalServerError',
};

function errorOf(errorEvent: unknown): unknown {
  return errorEvent ?? { code: null, message: 'The model failed', param: null, type: 'internal_error' };
}

function isEnd(event: string): boolean {
  return dataOf(event)?.trim() === '[DONE]';
}

function broken(event: string): string {
  const data = dataOf(event) ?? '';
  return `data: ${data.slice(0, Math.floor(data.length / 2))}\n\n`;
}

/** Event by event, each as soon as it is whole; what is left at the end is the last one. */
async function* eventsOf(
  reader: ReadableStreamDefaultReader<Bytes>,
): AsyncGenerator<string, void, undefined> {
  const splitter = new EventSplitter();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    yield* splitter.push(value);
  }
  if (splitter.rest !== '') yield splitter.rest;
}

function encode(text: string): Bytes {
  return new TextEncoder().encode(text);
}
