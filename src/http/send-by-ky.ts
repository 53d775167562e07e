import ky, { type KyInstance } from 'ky';
import type { FetchFunction } from './call-options.ts';
import { type Send, sendByFetch } from './send.ts';

/**
 * ky builds the requests and tells the runtimes' network errors apart. Its retries, timeouts and errors stay
 * off: they do not know of keys that change, of one time for a whole call, or of what must not be printed.
 */
const client: KyInstance = /* @__PURE__ */ ky.create({
  retry: 0,
  timeout: false,
  throwHttpErrors: false,
});

/**
 * Sends through ky. ky, and so its errors, never see the credential: it is set on the copy that is sent.
 *
 * For calls that are rare: making its `Request` beside the one that `fetch` makes costs a third of a whole call.
 */
export function sendByKy(fetch: FetchFunction | undefined): Send {
  const send = sendByFetch(fetch);
  return ({ method, url, headers, body, signal }, credential) =>
    client(url, {
      method,
      headers: { ...headers },
      fetch: (input) => {
        const request = input as Request;
        const built = {
          method: request.method,
          url: request.url,
          headers: Object.fromEntries(request.headers),
          body,
          signal,
        };
        return send(built, credential);
      },
    });
}
