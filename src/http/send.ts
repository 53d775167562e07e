import { ConfigurationError } from '../errors/index.ts';
import type { Secret } from '../secret/secret.ts';
import type { FetchFunction } from './call-options.ts';

/** A request, whole but for its credential. */
interface OutgoingRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly signal: AbortSignal;
}

/** Sends a request with a credential, once. */
export type Send = (request: OutgoingRequest, credential: Secret) => Promise<Response>;

/** Sends by the caller's `fetch`, or by the global one. */
export function sendByFetch(fetch: FetchFunction | undefined): Send {
  return async ({ method, url, headers, body, signal }, credential) => {
    // Looked up at every call, since tests and tracers put their own in its place; and called as a plain function, since
    // the runtimes' own refuses to be somebody's method.
    const send = fetch ?? globalThis.fetch;
    const answer: Response | undefined = await send(url, {
      method,
      headers: { ...headers, authorization: `Bearer ${credential.reveal()}` },
      // A redirect would carry the credential, or drop it, on somebody else's word.
      redirect: 'manual',
      signal,
      ...(body !== undefined && { body }),
    });
    if (typeof answer?.status !== 'number' || typeof answer.text !== 'function') {
      throw new ConfigurationError('fetch did not give a Response', { option: 'fetch' });
    }
    return answer;
  };
}
