import ky from 'ky';
import type { FetchFunction } from './call.ts';
import { FetchResponse, sendByFetch, type Transport } from './transport.ts';

/**
 * Sends through ky, for requests that are rare: the `Request` that it builds costs a third of a whole call.
 *
 * Its retries, timeouts and errors are off. They cannot replace a rejected credential or share one deadline among the
 * requests of a call, and its errors show the request's headers.
 */
export function kyTransport(fetch: FetchFunction | undefined): Transport {
  const client = ky.create({ retry: 0, timeout: false, throwHttpErrors: false });
  return {
    send: async ({ method, url, headers, body, signal }) => {
      const { authorization = '', ...visible } = headers;
      const response = await client(url, {
        method,
        headers: visible,
        fetch: (input) => {
          const request = input as Request;
          // The credential is set here, so that ky never sees it.
          const sent = { ...Object.fromEntries(request.headers), authorization };
          return sendByFetch(fetch, {
            method: request.method,
            url: request.url,
            headers: sent,
            body,
            signal,
          });
        },
      });
      return new FetchResponse(response);
    },
  };
}
