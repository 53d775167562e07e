import { type Body, type Bytes, bodyOf, dataOf, eventsOf, mapBody } from '../body.ts';
import type { EmulatedPlane } from '../context.ts';
import { controlErrorOf } from '../control-plane/errors.ts';
import { dataErrorOf } from '../data-plane/errors.ts';
import { isEventStream } from '../http.ts';
import { LostConnection } from '../lost-connection.ts';
import type { Sleep } from '../options.ts';
import type { Fault } from './fault.ts';
import { type Corruption, corruptionOf } from './table.ts';

/** Statuses whose responses have no body. */
const WITHOUT_BODY: readonly number[] = [204, 205, 304];

const PROXY_PAGE =
  '<!doctype html><html><head><title>Service maintenance</title></head><body><h1>We will be back soon</h1></body></html>\n';

/** Whether a fault replaces the response of the service. */
export function isReplaced({ status, html, dropConnection }: Fault): boolean {
  return status !== undefined || (html !== undefined && html !== false) || dropConnection === true;
}

/** @throws {LostConnection} If the connection is lost before the response. */
export function replacementOf(
  { status, html, body, headers = {}, dropConnection }: Fault,
  { request, plane }: { readonly request: Request; readonly plane: EmulatedPlane | undefined },
): Response {
  if (dropConnection === true) throw new LostConnection();
  const page = html === true ? PROXY_PAGE : html;
  const response = ((): Response => {
    if (status !== undefined && WITHOUT_BODY.includes(status)) return new Response(null, { status });
    if (typeof page === 'string') return textResponse(page, status, 'text/html');
    if (typeof body === 'string') return textResponse(body, status, 'text/plain');
    if (body !== undefined) return textResponse(JSON.stringify(body), status, 'application/json');
    if (status === undefined || status < 400) return textResponse('', status, 'text/plain');
    const error = plane === 'control' ? controlErrorOf(status, request) : dataErrorOf(status, request);
    return error.toResponse(request);
  })();
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
  return response;
}

function textResponse(text: string, status = 200, type: string): Response {
  return new Response(text, { status, headers: { 'content-type': `${type}; charset=utf-8` } });
}

interface Waiting {
  readonly sleep: Sleep;
  readonly signal: AbortSignal;
}

/** Applies the faults that concern the body of a response. */
export async function corrupt(response: Response, fault: Fault, waiting: Waiting): Promise<Response> {
  const { body, status, headers } = response;
  const corruption = corruptionOf(fault);
  if (body !== null && isEventStream(response)) {
    const { chunkDelayMs = 0, stallAfterChunks, crlf, comments, writeBytes } = fault;
    const isUntouched =
      corruption === undefined &&
      chunkDelayMs === 0 &&
      stallAfterChunks === undefined &&
      !crlf &&
      !comments &&
      writeBytes === undefined;
    // Otherwise the bytes are not grouped by events.
    if (isUntouched) return response;
    return new Response(corruptStream(body, fault, corruption, waiting), { status, headers });
  }
  if (corruption === undefined || body === null) return response;
  headers.delete('content-length');
  const text = corruption.whole(await response.text(), fault);
  return new Response(corruption.next === 'drop' ? bodyOf(lost(text)) : text, { status, headers });
}

async function* lost(text: string): AsyncGenerator<string, void, undefined> {
  if (text !== '') yield text;
  throw new LostConnection();
}

function corruptStream(body: Body, fault: Fault, corruption: Corruption | undefined, waiting: Waiting): Body {
  return mapBody(body, (chunks) => {
    const events = corruptEvents(eventsOf(chunks), fault, corruption, waiting);
    const formatted = format(events, fault);
    return fault.writeBytes === undefined ? formatted : regroup(formatted, fault.writeBytes);
  });
}

async function* corruptEvents(
  events: AsyncIterable<string>,
  fault: Fault,
  corruption: Corruption | undefined,
  { sleep, signal }: Waiting,
): AsyncGenerator<string, void, undefined> {
  const { chunkDelayMs = 0, stallAfterChunks, stallMs } = fault;
  const after = corruption?.after(fault) ?? Number.POSITIVE_INFINITY;
  let count = 0;
  for await (const event of events) {
    if (count > 0 && chunkDelayMs > 0) await sleep(chunkDelayMs, signal);
    const isDone = dataOf(event)?.trim() === '[DONE]';
    const isAt = (chunks: number): boolean => count === chunks || (count < chunks && isDone);
    if (stallAfterChunks !== undefined && isAt(stallAfterChunks)) {
      if (stallMs === undefined) await untilAborted(signal);
      else await sleep(stallMs, signal);
    }
    const isDue = corruption !== undefined && isAt(after);
    count++;
    if (!isDue) {
      yield event;
      continue;
    }
    const replacement = corruption.event(event, fault);
    if (replacement !== '') yield replacement;
    if (corruption.next === 'drop') throw new LostConnection();
    if (corruption.next === 'end') return;
  }
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

async function* format(
  events: AsyncIterable<string>,
  { crlf, comments }: Fault,
): AsyncGenerator<string, void, undefined> {
  for await (const event of events) {
    const text = comments ? `: keep-alive\n\n${event}` : event;
    yield crlf ? text.replace(/\r?\n/g, '\r\n') : text;
  }
}

/** Groups bytes into pieces of one size. */
async function* regroup(texts: AsyncIterable<string>, size: number): AsyncGenerator<Bytes, void, undefined> {
  const encoder = new TextEncoder();
  let rest = new Uint8Array(0);
  try {
    for await (const text of texts) {
      const bytes = encoder.encode(text);
      const joined = new Uint8Array(rest.length + bytes.length);
      joined.set(rest);
      joined.set(bytes, rest.length);
      let offset = 0;
      for (; joined.length - offset >= size; offset += size) yield joined.slice(offset, offset + size);
      rest = joined.slice(offset);
    }
  } catch (error) {
    if (rest.length > 0) yield rest;
    throw error;
  }
  if (rest.length > 0) yield rest;
}
