import ky from 'ky';
import type { FetchFunction } from './call.ts';
import { fetchTransport, type Transport } from './transport.ts';

/**
 * Sends through ky, for requests that are rare: the `Request` that it builds costs a third of a whole call.
 *
 * Its retries, timeouts and errors are off. They cannot replace a rejected credential or share one deadline among the
 * requests of a call, and its errors show the request's headers.
 */
export function kyTransport(fetch: FetchFunction | undefined): Transport {
  const { send } = fetchTransport(fetch);
  const client = ky.create({ retry: 0, timeout: false, throwHttpErrors: false });
  return {
    send: async ({ method, url, headers, body, signal }) => {
      const { authorization = '', ...visible } = headers;
      const { promise, resolve } = Promise.withResolvers<Awaited<ReturnType<typeof send>>>();
      await client(url, {
        method,
        headers: visible,
        fetch: async (input) => {
          const request = input as Request;
          // The credential is set here, so that ky never sees it.
          const sent = { ...Object.fromEntries(request.headers), authorization };
          const response = await send({
            method: request.method,
            url: request.url,
            headers: sent,
            body,
            signal,
          });
          resolve(response);
          return new Response();
        },
      });
      return promise;
    },
  };
}
