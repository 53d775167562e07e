import ky from 'ky';
import type { FetchFunction } from './call.ts';
import { FetchResponse, sendByFetch, type Transport } from './transport.ts';

/**
 * Only for requests that are rare: the `Request` that ky builds costs a third of a call. Its retries and timeouts cannot
 * replace a rejected credential or share one deadline, and its errors show the request's headers.
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
          // The credential is set here, so that ky never sees it.
          const all = { ...Object.fromEntries(headers), authorization };
          return sendByFetch(fetch, { ...request, url, headers: all });
        },
      });
      return new FetchResponse(response);
    },
  };
}
