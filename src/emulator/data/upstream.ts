import { redact } from '../../secret/redact.ts';
import type { Secret } from '../../secret/secret.ts';
import { dataOf, EventSplitter } from '../event-splitter.ts';
import { isEventStream, isObject, parseJson } from '../http.ts';
import type { TokenUsage } from '../usage-ledger.ts';
import { modelUnreachable, upstreamError } from './data-errors.ts';
import { UpstreamUsage } from './upstream-usage.ts';

/** An OpenAI-compatible server, as the options name it. */
export interface UpstreamSettings {
  /** Up to and including `/v1`, without a slash at its end. */
  readonly url: string;
  readonly apiKey: Secret | undefined;
  /** Undefined for the global one. */
  readonly fetch: ((input: string, init: RequestInit) => Promise<Response>) | undefined;
}

/** A request that is passed on. */
interface Forwarded {
  readonly request: Request;
  readonly signal: AbortSignal;
  /** Told once what was used, also by an answer that breaks off. */
  readonly onUsage: (usage: TokenUsage) => void;
}

/** Everything else may hold a credential, or concerns only one of the two connections. */
const PASSED_ON = ['accept', 'accept-language', 'traceparent', 'tracestate', 'x-request-id'];
const PASSED_BACK = /^(?:content-type|retry-after|retry-after-ms|x-request-id|request-id|x-ratelimit-.+)$/;

/** The model server behind the gateway, where there is a real one. */
export class UpstreamServer {
  readonly #settings: UpstreamSettings;

  constructor(settings: UpstreamSettings) {
    this.#settings = settings;
  }

  /** The models that it has. */
  async models(signal: AbortSignal): Promise<{ readonly id: string }[]> {
    const response = await this.#send('/models', { method: 'GET' }, signal);
    const body = parseJson(await this.#text(response));
    if (!response.ok || !isObject(body) || !Array.isArray(body.data)) {
      throw upstreamError(502, `The model server answered ${response.status} without a list of models`);
    }
    return body.data.filter((model) => isObject(model) && typeof model.id === 'string');
  }

  /** Passes a request on, and its answer back as it comes. */
  async post(path: string, body: Record<string, unknown>, forwarded: Forwarded): Promise<Response> {
    const { request, signal, onUsage } = forwarded;
    const headers = new Headers({ 'content-type': 'application/json' });
    for (const name of PASSED_ON) {
      const value = request.headers.get(name);
      if (value !== null) headers.set(name, value);
    }
    const init = { method: 'POST', headers, body: JSON.stringify(withUsage(body)) };
    const response = await this.#send(path, init, signal);
    const answer = { status: response.status, headers: passedBack(response.headers) };
    if (!response.ok) return answerOf(this.#clean(await this.#text(response)), answer);

    const usage = new UpstreamUsage(body);
    if (response.body !== null && isEventStream(response)) {
      return new Response(
        observed(response.body, usage, () => onUsage(usage.usage)),
        answer,
      );
    }
    const text = await this.#text(response);
    usage.read(parseJson(text));
    onUsage(usage.usage);
    return answerOf(text, answer);
  }

  async #send(path: string, init: RequestInit, signal: AbortSignal): Promise<Response> {
    const { url, apiKey } = this.#settings;
    const headers = new Headers(init.headers);
    if (apiKey !== undefined) headers.set('authorization', `Bearer ${apiKey.reveal()}`);
    // Looked up at every call: tests and tracers put their own in its place.
    const send = this.#settings.fetch ?? globalThis.fetch;
    const response = await send(`${url}${path}`, { ...init, headers, signal, redirect: 'manual' }).catch(
      (error: unknown) => this.#unreachable(error, signal),
    );
    const isRedirect =
      response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400);
    if (!isRedirect) return response;
    void response.body?.cancel();
    throw upstreamError(
      502,
      'The model server redirects, and its key is not sent elsewhere: is its URL right?',
    );
  }

  async #text(response: Response): Promise<string> {
    return response.text().catch((error: unknown) => this.#unreachable(error));
  }

  #unreachable(error: unknown, signal?: AbortSignal): never {
    signal?.throwIfAborted();
    const { message, cause } = error instanceof Error ? error : new Error(String(error));
    const code = isObject(cause) && typeof cause.code === 'string' ? cause.code : undefined;
    throw modelUnreachable(this.#clean(code ?? message));
  }

  /** Servers repeat keys in their errors, as d.run does, and this one's key is not the caller's to see. */
  #clean(text: string): string {
    const { apiKey } = this.#settings;
    return apiKey === undefined ? text : redact(text, [apiKey]);
  }
}

/** The gateway has every stream say what it used, whether its caller asked for that or not. */
function withUsage(body: Record<string, unknown>): Record<string, unknown> {
  if (body.stream !== true) return body;
  const options = isObject(body.stream_options) ? body.stream_options : {};
  return { ...body, stream_options: { ...options, include_usage: true } };
}

/** Some statuses, such as 204, cannot have a body, not even an empty one. */
function answerOf(text: string, init: ResponseInit): Response {
  return new Response(text === '' ? null : text, init);
}

function passedBack(headers: Headers): Headers {
  return new Headers([...headers].filter(([name]) => PASSED_BACK.test(name)));
}

/** A server that never ends an event is passed on, but no longer read along. */
const LONGEST_EVENT = 8 * 1024 * 1024;

/**
 * The same bytes, asked for as they are read, with a look at what passes by.
 *
 * Where the model server's connection is lost, the stream just ends, as the gateway's does.
 */
function observed(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  usage: UpstreamUsage,
  onEnd: () => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  const splitter = new EventSplitter();
  let hasEnded = false;
  const end = (): void => {
    hasEnded = true;
    onEnd();
  };
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        const next = await reader.read().catch(() => undefined);
        if (hasEnded) return;
        if (next === undefined || next.done) {
          end();
          controller.close();
          return;
        }
        if (splitter.rest.length < LONGEST_EVENT) {
          for (const event of splitter.push(next.value)) usage.read(parseJson(dataOf(event) ?? ''));
        }
        controller.enqueue(next.value);
      },
      cancel(reason) {
        end();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
