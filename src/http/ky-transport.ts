import ky from 'ky';
import type { FetchFunction } from './call.ts';
import { callFetch, FetchResponse, type Transport } from './transport.ts';

/**
 * Creates a transport that uses ky. It is used only for infrequent requests, because creating ky's `Request` takes a
 * third of the duration of a call. ky's own retries and timeouts are disabled, because they cannot replace a rejected
 * credential or share a deadline, and because ky's errors contain the request headers.
 */
export function kyTransport(fetch: FetchFunction | undefined): Transport {
  const client = ky.create({ retry: 0, timeout: false, throwHttpErrors: false });
  return {
    send: async (request) => {
      const { authorization = '', ...visible } = request.headers;
      const response = await client(request.url, {
        method: request.method,
        headers: visible,
        fetch: (input) => {
          const { url, headers } = input as Request;
          // The credential is added here, so that ky never sees it.
          const all = { ...Object.fromEntries(headers), authorization };
          const { method, body, signal } = request;
          return callFetch(fetch, url, { method, headers: all, body, signal });
        },
      });
      return new FetchResponse(response);
    },
  };
}
