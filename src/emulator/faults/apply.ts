import { abortable } from '../../internal/wait.ts';
import { type Bytes, bodyOf, dataOf, eventsOf, mapBody } from '../body.ts';
import { controlErrorOf } from '../control-plane/errors.ts';
import { dataErrorOf } from '../data-plane/errors.ts';
import { isEventStream, LostConnection } from '../http.ts';
import type { EmulatedPlane } from '../operation.ts';
import type { Sleep } from '../options.ts';
import type { Fault } from './fault.ts';
import { corruptionOf } from './table.ts';

const WITHOUT_BODY: readonly number[] = [204, 205, 304];

/**
 * Creates the response that a fault substitutes for the service's response.
 *
 * @throws {LostConnection} If the fault drops the connection before the response.
 */
export function replacementOf(fault: Fault, request: Request, plane: EmulatedPlane): Response {
  const { status = 200, body, headers = {}, dropConnection } = fault;
  if (dropConnection === true) throw new LostConnection();
  let response: Response;
  if (body === undefined && status >= 400) {
    const error = plane === 'control' ? controlErrorOf(status, request) : dataErrorOf(status, request);
    response = error.toResponse(request);
  } else {
    const isText = body === undefined || typeof body === 'string';
    const text = isText ? (body ?? '') : JSON.stringify(body);
    response = new Response(WITHOUT_BODY.includes(status) ? null : text, { status });
    const type = `${isText ? 'text/plain' : 'application/json'}; charset=utf-8`;
    if (response.body !== null) response.headers.set('content-type', type);
  }
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
  return response;
}

type Waiting = { readonly sleep: Sleep; readonly signal: AbortSignal };

/** Applies the effects of a fault to the body of a response. */
export async function corrupt(response: Response, fault: Fault, waiting: Waiting): Promise<Response> {
  const { body, status, headers } = response;
  const corruption = corruptionOf(fault);
  if (body === null) return response;
  if (isEventStream(response)) {
    const corrupted = mapBody(body, (chunks) => {
      const events = corruptEvents(eventsOf(chunks), fault, waiting);
      return fault.writeBytes === undefined ? events : regroup(events, fault.writeBytes);
    });
    return new Response(corrupted, { status, headers });
  }
  if (corruption === undefined) return response;
  headers.delete('content-length');
  const text = corruption.whole(await response.text());
  return new Response(corruption.next === 'drop' ? bodyOf(lost(text)) : text, { status, headers });
}

async function* lost(text: string): AsyncGenerator<string, void, undefined> {
  if (text !== '') yield text;
  throw new LostConnection();
}

async function* corruptEvents(
  events: AsyncIterable<string>,
  fault: Fault,
  { sleep, signal }: Waiting,
): AsyncGenerator<string, void, undefined> {
  const { chunkDelayMs = 0, stallAfterChunks, stallMs, crlf, comments } = fault;
  const corruption = corruptionOf(fault);
  const formatted = (event: string): string => {
    const text = comments ? `: keep-alive\n\n${event}` : event;
    return crlf ? text.replace(/\r?\n/g, '\r\n') : text;
  };
  let count = 0;
  for await (const event of events) {
    if (count > 0 && chunkDelayMs > 0) await sleep(chunkDelayMs, signal);
    const isDone = dataOf(event)?.trim() === '[DONE]';
    const isAt = (chunks: number): boolean => count === chunks || (count < chunks && isDone);
    if (stallAfterChunks !== undefined && isAt(stallAfterChunks)) {
      await (stallMs === undefined ? abortable(new Promise(() => {}), signal) : sleep(stallMs, signal));
    }
    const isDue = corruption !== undefined && isAt(corruption.after);
    count++;
    const text = isDue ? corruption.event(event) : event;
    if (text !== '') yield formatted(text);
    if (isDue && corruption.next === 'drop') throw new LostConnection();
    if (isDue && corruption.next === 'end') return;
  }
}

/** Groups bytes into writes of equal size. */
async function* regroup(texts: AsyncIterable<string>, size: number): AsyncGenerator<Bytes, void, undefined> {
  const encoder = new TextEncoder();
  let rest: Bytes = new Uint8Array(0);
  try {
    for await (const text of texts) {
      rest = new Uint8Array([...rest, ...encoder.encode(text)]);
      for (; rest.length >= size; rest = rest.slice(size)) yield rest.slice(0, size);
    }
  } finally {
    // Data that was sent before the connection was lost still arrives.
    if (rest.length > 0) yield rest;
  }
}
