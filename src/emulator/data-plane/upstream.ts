import { redact } from '../../secret/redact.ts';
import { bodyText, isObject, parseJson } from '../http.ts';
import type { EmulatedModel, UpstreamSettings } from '../options.ts';
import { upstreamError } from './errors.ts';
import type { ModelRequest, ModelServer } from './model-server.ts';

/** Other headers may hold a credential, or concern one connection only. */
const FORWARDED_HEADERS = ['accept', 'accept-language', 'traceparent', 'tracestate', 'x-request-id'];

/** A real model server. */
export class UpstreamServer implements ModelServer {
  readonly #settings: UpstreamSettings;

  constructor(settings: UpstreamSettings) {
    this.#settings = settings;
  }

  async models(signal: AbortSignal): Promise<EmulatedModel[]> {
    const response = await this.#send('/models', { method: 'GET' }, signal);
    const body = parseJson(await bodyText(response).catch(() => ''));
    if (!response.ok || !isObject(body) || !Array.isArray(body.data)) {
      throw upstreamError(
        `GET ${this.#settings.url}/models returned ${response.status} without a list of models.`,
      );
    }
    return body.data.filter(isModel).map(({ id }) => ({ id }));
  }

  async post({ request, path, body, signal }: ModelRequest): Promise<Response> {
    const headers = new Headers({ 'content-type': 'application/json' });
    for (const name of FORWARDED_HEADERS) {
      const value = request.headers.get(name);
      if (value !== null) headers.set(name, value);
    }
    return this.#send(path, { method: 'POST', headers, body: JSON.stringify(body) }, signal);
  }

  /** Removes the server's own key from a text: servers repeat keys in errors, and this one is not the client's. */
  redact(text: string): string {
    const { apiKey } = this.#settings;
    return apiKey === undefined ? text : redact(text, [apiKey]);
  }

  async #send(path: string, init: RequestInit, signal: AbortSignal): Promise<Response> {
    const { url, apiKey } = this.#settings;
    const headers = new Headers(init.headers);
    if (apiKey !== undefined) headers.set('authorization', `Bearer ${apiKey.reveal()}`);
    // Read at each request: tests and tracers replace it.
    const send = this.#settings.fetch ?? globalThis.fetch;
    const target = `${url}${path}`;
    const response = await send(target, { ...init, headers, signal, redirect: 'manual' }).catch(
      (error: unknown) => {
        signal.throwIfAborted();
        const method = init.method === 'GET' ? 'Get' : 'Post';
        throw upstreamError(this.redact(`${method} "${target}": ${causeOf(error, new URL(target))}`));
      },
    );
    const isRedirect =
      response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400);
    if (!isRedirect) return response;
    void response.body?.cancel();
    throw upstreamError(`${target} redirects, and its key is not sent elsewhere. Check the URL.`);
  }
}

function isModel(value: unknown): value is { readonly id: string } {
  return isObject(value) && typeof value.id === 'string';
}

/** The failure in the words of the gateway's HTTP client, which is Go's. */
function causeOf(error: unknown, { hostname, port, protocol }: URL): string {
  const { message, cause } = error instanceof Error ? error : new Error(String(error));
  const code = isObject(cause) && typeof cause.code === 'string' ? cause.code : undefined;
  const address = `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`;
  // `fetch` blocks some ports, on which nothing listens.
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
