import { isRecord, parseJson } from '../../internal/json.ts';
import type { PlatformUrl } from '../../internal/platform.ts';
import { redact } from '../../secret/redact.ts';
import { Secret } from '../../secret/secret.ts';
import { bodyText } from '../http.ts';
import type { EmulatedModel, UpstreamOptions } from '../options.ts';
import { upstreamError } from './errors.ts';
import type { ModelRequest } from './model-server.ts';

/** The only forwarded headers: others may contain a credential or apply only to the client's connection. */
const FORWARDED_HEADERS = ['accept', 'accept-language', 'traceparent', 'tracestate', 'x-request-id'];

/** Creates a client for a real model server. */
export function upstreamServer(upstream: string | PlatformUrl | UpstreamOptions) {
  const options = typeof upstream === 'object' && 'url' in upstream ? upstream : { url: upstream };
  const { origin, pathname } = new URL(options.url);
  const url = origin + (pathname.replace(/\/+$/, '') || '/v1');
  const apiKey = typeof options.apiKey === 'string' ? new Secret(options.apiKey) : options.apiKey;
  const redacted = (text: string): string => (apiKey === undefined ? text : redact(text, [apiKey]));

  const send = async (path: string, init: RequestInit, signal: AbortSignal): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (apiKey !== undefined) headers.set('authorization', `Bearer ${apiKey.reveal()}`);
    // Look up `fetch` for each request, because tests and tracers may replace the global function.
    const fetch = options.fetch ?? globalThis.fetch;
    const target = `${url}${path}`;
    const response = await fetch(target, { ...init, headers, signal, redirect: 'manual' }).catch(
      (error: unknown) => {
        signal.throwIfAborted();
        const method = init.method === 'GET' ? 'Get' : 'Post';
        throw upstreamError(redacted(`${method} "${target}": ${causeOf(error, new URL(target))}`));
      },
    );
    const { type, status } = response;
    if (type !== 'opaqueredirect' && (status < 300 || status >= 400)) return response;
    void response.body?.cancel();
    throw upstreamError(
      `${target} responded with a redirect. It was not followed, because it could send the key to another host. Check the URL.`,
    );
  };

  return {
    /** Redacts the model server's key. Servers may echo their key in errors, but the client must not see it. */
    redact: redacted,
    async models(signal: AbortSignal): Promise<EmulatedModel[]> {
      const response = await send('/models', { method: 'GET' }, signal);
      const body = parseJson(await bodyText(response).catch(() => ''));
      if (response.ok && isRecord(body) && Array.isArray(body.data)) {
        return body.data.flatMap((model) => (typeof model?.id === 'string' ? [{ id: model.id }] : []));
      }
      throw upstreamError(`GET ${url}/models returned ${response.status} without a list of models.`);
    },
    post({ request, path, body, signal }: ModelRequest): Promise<Response> {
      const headers = new Headers({ 'content-type': 'application/json' });
      for (const name of FORWARDED_HEADERS) {
        const value = request.headers.get(name);
        if (value !== null) headers.set(name, value);
      }
      return send(path, { method: 'POST', headers, body: JSON.stringify(body) }, signal);
    },
  };
}

/** Describes a failure in the words of Go's HTTP client, because the gateway uses that client. */
function causeOf(error: unknown, { hostname, port, protocol }: URL): string {
  const { message, cause } = error instanceof Error ? error : new Error(String(error));
  const code = isRecord(cause) && typeof cause.code === 'string' ? cause.code : undefined;
  const address = `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`;
  // For a port that `fetch` blocks, the gateway would report a refused connection.
  const isBlocked = cause instanceof Error && cause.message === 'bad port';
  switch (isBlocked ? 'ECONNREFUSED' : code) {
    case 'ECONNREFUSED':
      return `dial tcp ${address}: connect: connection refused`;
    case 'ENOTFOUND':
      return `dial tcp: lookup ${hostname}: no such host`;
    case 'ECONNRESET':
    case 'UND_ERR_SOCKET':
      return 'EOF';
    default:
      return code ?? message;
  }
}
