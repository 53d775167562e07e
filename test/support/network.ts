import { HttpResponse, http } from 'msw/http';
import { setupServer } from 'msw/node';
import { afterAll, afterEach, beforeAll } from 'vitest';

/** A request as the server received it. */
export interface RecordedRequest {
  readonly method: string;
  readonly url: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Headers;
  readonly text: string;
}

export type MockResponse = Response | ((request: RecordedRequest) => Response | Promise<Response>);

export interface Network {
  /**
   * Responds to requests with this method and URL with the given responses in turn, the last one repeatedly.
   *
   * @param address - A URL without a query, or a pattern.
   * @returns The requests received so far, in order.
   */
  respond(
    method: 'get' | 'post' | 'put' | 'delete',
    address: string,
    ...responses: MockResponse[]
  ): RecordedRequest[];
}

/** Replaces the network in a test file. Unexpected requests fail. */
export function mockNetwork(): Network {
  const server = setupServer();
  beforeAll(() => server.listen({ onUnhandledFrame: 'error' }));
  afterEach(() => server.resetHandlers());
  afterAll(() => server.close());
  return {
    respond(method, address, ...responses) {
      const requests: RecordedRequest[] = [];
      server.use(
        http[method](address, async ({ request }) => {
          const url = new URL(request.url);
          const recorded: RecordedRequest = {
            method: request.method,
            url: request.url,
            path: url.pathname,
            query: Object.fromEntries(url.searchParams),
            headers: request.headers,
            text: await request.text(),
          };
          requests.push(recorded);
          const response = responses[Math.min(requests.length, responses.length) - 1];
          if (response === undefined) throw new Error('no response is defined for this request');
          return typeof response === 'function' ? response(recorded) : response.clone();
        }),
      );
      return requests;
    },
  };
}

/** A JSON response of either plane. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
  });
}

/** The sign-in page with which a gateway replaces a response. */
export function html(status = 200): Response {
  return new Response('<!doctype html><title>Sign in</title><p>Your session expired', {
    status,
    headers: { 'content-type': 'text/html' },
  });
}

/** A connection that fails before the response. */
export function connectionReset(): Response {
  return HttpResponse.error() as Response;
}
