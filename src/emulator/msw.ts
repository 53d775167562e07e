/**
 * {@link handlers} uses msw to serve an emulator at the URLs of the real service.
 *
 * @module
 */
import { HttpResponse, http, type RequestHandler } from 'msw';
import { mapBody } from './body.ts';
import { check, fields, servable } from './checks.ts';
import type { Emulator } from './emulator.ts';
import { LostConnection, notFound } from './http.ts';
import { type EmulatedPlane, planeOf } from './operation.ts';
import { serverUrl } from './scenario.ts';

/** Options for {@link handlers}. */
export interface HandlersOptions {
  /** Base URL of the control plane. Default: `https://console.d.run`. */
  readonly consoleUrl?: string | URL | undefined;
  /**
   * Base URL of the data plane, with or without `/v1`. Default: `https://chat.d.run` and `https://<region>.d.run` for
   * every region.
   */
  readonly chatUrl?: string | URL | undefined;
}

/**
 * Creates msw request handlers, for `setupServer` or `setupWorker`, that route requests for d.run to an emulator.
 * The code under test needs no configuration. As in the real service, each plane responds only at its own URL.
 *
 * Streams arrive chunk by chunk, aborts are forwarded, and a connection dropped by a fault becomes a network error. msw
 * reads each response as fast as possible, even if the client does not read it. If backpressure matters, pass
 * {@link Emulator.fetch} to the client, or use `serve`.
 *
 * @throws {TypeError} If an argument is invalid.
 *
 * @example
 * ```ts
 * import { createEmulator } from 'drun-sdk/emulator';
 * import { handlers } from 'drun-sdk/emulator/msw';
 * import { setupServer } from 'msw/node';
 *
 * const drun = createEmulator();
 * const server = setupServer(...handlers(drun));
 * server.listen();
 * await fetch('https://chat.d.run/v1/models'); // 401, from the emulator
 * server.close();
 * ```
 */
export function handlers(emulator: Pick<Emulator, 'fetch'>, options: HandlersOptions = {}): RequestHandler[] {
  check('handlers', servable, emulator);
  check('handlers', handlersOptions, options);
  const consoleUrl = baseUrl(options.consoleUrl ?? 'https://console.d.run');
  const chatUrl = options.chatUrl && baseUrl(options.chatUrl);
  if (chatUrl === consoleUrl) return [http.all(below(consoleUrl), resolver(emulator, consoleUrl))];
  const chatUrls = chatUrl === undefined ? SHARED_AND_REGIONAL : below(chatUrl);
  const both = [
    http.all(below(consoleUrl), resolver(emulator, consoleUrl, 'control')),
    http.all(chatUrls, resolver(emulator, chatUrl ?? '', 'data')),
  ];
  // If `chatUrl` is below `consoleUrl`, try it first.
  return chatUrl?.startsWith(consoleUrl) ? both.reverse() : both;
}

const SHARED_AND_REGIONAL = /^https:\/\/(?!console\.)[a-z0-9-]+\.d\.run\//;

const handlersOptions = fields({ consoleUrl: serverUrl.optional(), chatUrl: serverUrl.optional() });

/** Returns a URL without a trailing slash or `/v1`. */
function baseUrl(given: string | URL): string {
  const { origin, pathname } = new URL(given);
  return origin + pathname.replace(/\/(?:v1\/*)?$/, '');
}

function below(base: string): RegExp {
  return new RegExp(`^${base.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&')}/`);
}

/** @param only - The only plane served at this URL. Requests to the other plane result in a 404. */
function resolver(
  emulator: Pick<Emulator, 'fetch'>,
  base: string,
  only?: EmulatedPlane,
): (info: { readonly request: Request }) => Promise<Response> {
  return async ({ request }) => {
    const target = withoutPrefix(request, base);
    const plane = planeOf(new URL(target.url).pathname);
    if (only !== undefined && plane !== undefined && plane !== only) return notFound();
    try {
      return framed(await emulator.fetch(target));
    } catch (error) {
      // msw would print an error thrown here. For an aborted request, msw discards the response.
      if (error instanceof LostConnection || request.signal.aborted) return HttpResponse.error();
      throw error;
    }
  };
}

/** Removes the path of the base URL from the URL of a request. */
function withoutPrefix(request: Request, base: string): Request {
  const url = new URL(request.url);
  const prefix = base === '' ? '' : new URL(base).pathname.replace(/\/$/, '');
  if (prefix === '') return request;
  return new Request(url.origin + url.pathname.slice(prefix.length) + url.search, request);
}

/** Adds framing. Without it, a response would look complete to the client even if the connection was lost. */
function framed({ body, status, headers }: Response): Response {
  if (body === null) return new Response(null, { status, headers });
  const framedHeaders = new Headers(headers);
  if (!headers.has('content-length')) framedHeaders.set('transfer-encoding', 'chunked');
  // Yield to the event loop, so that aborts take effect even though msw reads the stream continuously.
  const yielding = mapBody(body, async function* (chunks) {
    for await (const chunk of chunks) {
      yield chunk;
      await nextTurn();
    }
  });
  return new Response(yielding, { status, headers: framedHeaders });
}

/** Waits for the next turn of the event loop. Uses no timer, because tests may replace timers. */
function nextTurn(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
