import { ConfigurationError } from '../errors/index.ts';
import type {
  PlatformRequest,
  PlatformRequestInit,
  PlatformResponse,
  PlatformUrl,
} from '../internal/platform.ts';
import type { Secret } from '../secret/secret.ts';
import type { FetchFunction } from './call.ts';
import type { HttpClient } from './client.ts';
import { CallRedactor, MAX_FURTHER_CREDENTIALS } from './credentials.ts';
import { toConnectionError } from './errors.ts';

/** A `fetch` for other clients of the same service. */
export type AuthenticatedFetch = (
  input: string | PlatformUrl | PlatformRequest,
  init?: PlatformRequestInit,
) => Promise<PlatformResponse>;

/**
 * Creates a `fetch` that sends the client's credential instead of the other client's own. After a 401 it asks the
 * provider for another one, and tries that. Texts of error responses are redacted. Everything else is left to the other
 * client: retries, timeouts and the reading of responses.
 */
export function authenticatedFetch(
  { baseUrl, credential }: Pick<HttpClient, 'baseUrl' | 'credential'>,
  fetch: FetchFunction | undefined,
): AuthenticatedFetch {
  return async (input, init = {}) => {
    const request = await readRequest(absoluteUrl(input, baseUrl), init);
    if (new URL(request.url).origin !== baseUrl.origin) {
      throw new ConfigurationError(
        `The API key is only sent to ${baseUrl.origin}. Give the other client a base URL there.`,
        { option: 'baseUrl' },
      );
    }
    const signal = request.init.signal ?? new AbortController().signal;
    const sent: Secret[] = [];
    const attempt = async (secret: Secret): Promise<Response> => {
      sent.push(secret);
      const headers = new Headers(request.init.headers);
      headers.set('authorization', `Bearer ${secret.reveal()}`);
      const redactor = new CallRedactor(sent, {});
      try {
        const send = fetch ?? globalThis.fetch;
        const response = await send(request.url, { ...request.init, headers, redirect: 'manual' });
        if (response.status < 400) return response;
        const clean = await redacted(response, redactor, signal);
        // An error body that was aborted looks like a complete one.
        signal.throwIfAborted();
        return clean;
      } catch (thrown) {
        signal.throwIfAborted();
        throw new TypeError('fetch failed', { cause: redactedCause(thrown, request.url, redactor) });
      }
    };
    let secret = await credential.read({ signal });
    for (;;) {
      const response = await attempt(secret);
      if (response.status !== 401 || !request.isRepeatable) return response;
      if (sent.length > MAX_FURTHER_CREDENTIALS) return response;
      const rejected = secret;
      secret = await credential.read({ rejected, signal });
      if (sent.some((one) => one.equals(secret))) return response;
    }
  };
}

interface ReadRequest {
  readonly url: string;
  readonly init: RequestInit;
  /** Whether the body can be sent again. */
  readonly isRepeatable: boolean;
}

/** Resolves a path below the base URL. */
function absoluteUrl(input: string | URL | Request, { origin, pathname }: URL): string | URL | Request {
  if (typeof input !== 'string' || URL.canParse(input)) return input;
  return `${origin}${pathname.replace(/\/+$/, '')}/${input.replace(/^\/+/, '')}`;
}

/** Splits a request so that it can be sent as `fetch(url, init)`, several times if need be. */
async function readRequest(input: string | URL | Request, init: RequestInit): Promise<ReadRequest> {
  if (typeof input === 'string' || input instanceof URL) {
    return { url: String(input), init, isRepeatable: !isConsumable(init.body) };
  }
  const request = new Request(input, init);
  const { url, method, headers, signal } = request;
  const body = request.body === null ? undefined : await request.arrayBuffer();
  return {
    url,
    init: { ...init, method, headers, signal, ...(body !== undefined && { body }) },
    isRepeatable: true,
  };
}

/** Streams and async iterables can be read once; strings, bytes and forms any number of times. */
function isConsumable(body: unknown): boolean {
  return typeof body === 'object' && body !== null && ('getReader' in body || Symbol.asyncIterator in body);
}

/** A copy of an error response, without the key that the gateway repeats in it. */
async function redacted(response: Response, redactor: CallRedactor, signal: AbortSignal): Promise<Response> {
  const text = await readText(response, signal);
  const headers = new Headers(
    [...response.headers].map(([name, value]): [string, string] => [name, redactor.redact(value)]),
  );
  // They describe the original body.
  for (const name of ['content-length', 'content-encoding', 'transfer-encoding']) headers.delete(name);
  const { status, url } = response;
  const clean = new Response(text === '' ? null : redactor.redact(text), {
    // Some proxies make up statuses that a Response of our own cannot have.
    status: Math.min(status, 599),
    statusText: redactor.redact(response.statusText),
    headers,
  });
  return Object.defineProperties(clean, { url: { value: url }, status: { value: status } });
}

/** Reads a body to its end, or to where its connection was lost or the signal aborted. */
async function readText({ body }: Response, signal: AbortSignal): Promise<string> {
  const reader = body?.getReader();
  const decoder = new TextDecoder();
  const cancel = (): void => void reader?.cancel().catch(() => {});
  signal.addEventListener('abort', cancel, { once: true });
  let text = '';
  try {
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
      text += decoder.decode(part.value, { stream: true });
    }
  } catch {
    // The status alone says something too.
  } finally {
    signal.removeEventListener('abort', cancel);
  }
  return text + decoder.decode();
}

/** Other clients take a TypeError with a cause for a lost connection, and may retry. */
function redactedCause(thrown: unknown, url: string, redactor: CallRedactor): unknown {
  const redact = (text: string): string => redactor.redact(text);
  return toConnectionError(thrown, { label: 'fetch', url, redact }).cause;
}
