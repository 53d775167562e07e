import { HttpResponse, http } from 'msw/http';
import { setupServer } from 'msw/node';
import { afterAll, afterEach, beforeAll } from 'vitest';

/** A request as a server sees it. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Headers;
  readonly text: string;
}

export type Reply = Response | ((request: SeenRequest) => Response | Promise<Response>);

export interface Network {
  /**
   * Answers requests of a method to an address (a path pattern is allowed), whatever their query: the replies in
   * turn, the last of them for good.
   *
   * @returns the requests that came, in order.
   */
  answer(method: 'get' | 'post' | 'put' | 'delete', address: string, ...replies: Reply[]): SeenRequest[];
}

/** Replaces the network for the tests of a file. A request that no test expects is an error. */
export function mockNetwork(): Network {
  const server = setupServer();
  beforeAll(() => server.listen({ onUnhandledFrame: 'error' }));
  afterEach(() => server.resetHandlers());
  afterAll(() => server.close());
  return {
    answer(method, address, ...replies) {
      const seen: SeenRequest[] = [];
      server.use(
        http[method](address, async ({ request }) => {
          const url = new URL(request.url);
          const entry: SeenRequest = {
            method: request.method,
            url: request.url,
            path: url.pathname,
            query: Object.fromEntries(url.searchParams),
            headers: request.headers,
            text: await request.text(),
          };
          seen.push(entry);
          const reply = replies[Math.min(seen.length, replies.length) - 1];
          if (reply === undefined) throw new Error('this request has no reply');
          return typeof reply === 'function' ? reply(entry) : reply.clone();
        }),
      );
      return seen;
    },
  };
}

/** An answer in JSON, as both planes give it. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
  });
}

/** The page that a gateway puts in the way of an answer. */
export function html(status = 200): Response {
  return new Response('<!doctype html><title>Sign in</title><p>Your session expired', {
    status,
    headers: { 'content-type': 'text/html' },
  });
}

/** A connection that is lost before its answer came. */
export function lostConnection(): Response {
  return HttpResponse.error() as Response;
}
