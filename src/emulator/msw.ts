/**
 * {@link handlers}: an emulator at the real service's addresses, by way of msw.
 *
 * @module
 */
import { HttpResponse, http, type RequestHandler } from 'msw';
import type { Emulator } from './emulator.ts';
import { notFound } from './http.ts';
import { LostConnection } from './lost-connection.ts';
import { type EmulatedPlane, planeOf } from './operation.ts';

/** Where {@link handlers} answers. */
export interface HandlersOptions {
  /** Where the control plane is. Default: `https://console.d.run`. */
  readonly consoleUrl?: string | URL | undefined;
  /**
   * Where the data plane is; a `/v1` at its end may be there or not. Default: `https://chat.d.run` and every region's
   * `https://<region>.d.run`.
   */
  readonly chatUrl?: string | URL | undefined;
}

/**
 * Request handlers of msw that let an emulator answer at the addresses of d.run, so that what is tested needs no option
 * for it. For `setupServer` and `setupWorker`. Each plane is at its own address only, as at the service.
 *
 * Streams come chunk by chunk, an abort reaches the model, and a connection that a fault takes away is a network error.
 * msw itself reads an answer as fast as it comes, whether anybody reads it there or not: for back-pressure,
 * hand {@link Emulator.fetch} in, or use `serve`.
 *
 * @throws TypeError that names the option that is no URL.
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
 * await fetch('https://chat.d.run/v1/models'); // 401: answered by the emulator
 * server.close();
 * ```
 */
export function handlers(emulator: Pick<Emulator, 'fetch'>, options: HandlersOptions = {}): RequestHandler[] {
  const console = baseUrl('consoleUrl', options.consoleUrl ?? 'https://console.d.run');
  const chat = options.chatUrl === undefined ? undefined : baseUrl('chatUrl', options.chatUrl);
  if (chat === console) return [http.all(below(console), answering(emulator, console))];
  return [
    http.all(below(console), answering(emulator, console, 'control')),
    http.all(chat === undefined ? SHARED_AND_REGIONAL : below(chat), answering(emulator, chat ?? '', 'data')),
  ];
}

const SHARED_AND_REGIONAL = /^https:\/\/(?!console\.)[a-z0-9-]+\.d\.run\//;

/** A URL without a slash or a `/v1` at its end. */
function baseUrl(option: string, given: string | URL): string {
  const url = URL.canParse(String(given)) ? new URL(given) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new TypeError(`handlers: \`${option}\` must be a URL, of https or http`);
  }
  return url.origin + url.pathname.replace(/\/(?:v1\/*)?$/, '');
}

function below(base: string): RegExp {
  return new RegExp(`^${base.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&')}/`);
}

/** @param only - The plane that is at this address; the other one is not found there. */
function answering(
  emulator: Pick<Emulator, 'fetch'>,
  base: string,
  only?: EmulatedPlane,
): (info: { readonly request: Request }) => Promise<Response> {
  return async ({ request }) => {
    const target = withoutPrefix(request, base);
    const plane = planeOf(new URL(target.url).pathname);
    if (only !== undefined && plane !== undefined && plane !== only) return notFound();
    try {
      return onTheWire(await emulator.fetch(target));
    } catch (error) {
      // What is aborted has nobody who would see an answer; msw prints whatever else is thrown.
      if (error instanceof LostConnection || request.signal.aborted) return HttpResponse.error();
      throw error;
    }
  };
}

/** The request as the emulator knows it: without the path that the base URL brings along. */
function withoutPrefix(request: Request, base: string): Request {
  const url = new URL(request.url);
  const prefix = base === '' ? '' : new URL(base).pathname.replace(/\/$/, '');
  if (prefix === '') return request;
  return new Request(url.origin + url.pathname.slice(prefix.length) + url.search, request);
}

/**
 * An answer that msw can send. Without a framing of its own, one that is lost in the middle would look whole to its
 * client.
 */
function onTheWire({ body, status, headers }: Response): Response {
  if (body === null) return new Response(null, { status, headers });
  const framed = new Headers(headers);
  framed.set('transfer-encoding', 'chunked');
  return new Response(unhurried(body), { status, headers: framed });
}

/** How many pieces go out between two turns of the event loop. */
const PIECES_A_TURN = 16;

/** Gives way now and then, so that an abort gets through to a stream that msw reads without end. */
function unhurried(body: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  let count = 0;
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) return controller.close();
        controller.enqueue(value);
        if (++count % PIECES_A_TURN === 0) await turn();
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

/** A turn of the event loop. Not by a timer: tests put virtual ones in the place of the platform's. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
