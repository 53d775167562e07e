import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import { finished, pipeline, type Readable, type Transform } from 'node:stream';
import { checkOptions, invalid } from '../errors/invalid.ts';
import type { ResponseHeaders, Transport, TransportRequest, TransportResponse } from '../http/transport.ts';

export type { ResponseHeaders, Transport, TransportRequest, TransportResponse } from '../http/transport.ts';

// Modules are loaded on demand and without `import`, because `import` evaluates every export of `node:http`. One of
// these exports loads undici, which would take most of the run time of a short program.
const http = process.getBuiltinModule('node:http');

/** Options for {@link nodeTransport}. */
export interface NodeTransportOptions {
  /**
   * An agent that opens the connections, for example through a proxy or with a private certificate authority. It must
   * match the base URL: an `Agent` from `node:https` for `https`, or from `node:http` for `http`.
   *
   * @defaultValue An agent that keeps idle connections open for 30 s and respects `NODE_USE_ENV_PROXY`.
   */
  readonly agent?: Agent | undefined;
}

/**
 * Creates a transport that sends a `ChatClient`'s requests through `node:http` and `node:https` instead of `fetch`.
 * This takes less time and memory. `fetch` times out after 300 s without data; here, only the client's limits apply.
 *
 * Redirects are not followed. Responses compressed with gzip, deflate or Brotli are decompressed as they arrive. All
 * clients that use the transport share its connections. Idle connections do not keep the process alive.
 *
 * @throws {ConfigurationError} If an option is unknown or invalid.
 *
 * @example
 * ```ts
 * import { ChatClient } from 'drun-sdk/chat';
 * import { nodeTransport } from 'drun-sdk/node';
 *
 * const chat = new ChatClient({ apiKey: process.env.DRUN_API_KEY, transport: nodeTransport() });
 * const completion = await chat.complete({
 *   model: 'public/deepseek-r1',
 *   messages: [{ role: 'user', content: 'Hello, model!' }],
 * });
 * console.log(completion.choices[0].message.content);
 * ```
 */
export function nodeTransport(options: NodeTransportOptions = {}): Transport {
  checkOptions(options, ['agent'], 'nodeTransport()');
  const { agent } = options;
  if (agent !== undefined && typeof Reflect.get(Object(agent), 'addRequest') !== 'function') {
    throw invalid('agent', 'must be an `Agent` from node:http or node:https');
  }
  const agents = { http: agent, https: agent };
  const open = ({ url, method, headers }: TransportRequest): ClientRequest => {
    const isHttps = url.startsWith('https:');
    const { Agent, request } = isHttps ? process.getBuiltinModule('node:https') : http;
    const scheme = isHttps ? 'https' : 'http';
    agents[scheme] ??= new Agent(agentOptions());
    const init = {
      method,
      headers: { 'accept-encoding': 'gzip, br', ...headers },
      agent: agents[scheme],
      joinDuplicateHeaders: true,
    };
    try {
      return request(url, init);
    } catch (thrown) {
      if (Reflect.get(Object(thrown), 'code') !== 'ERR_INVALID_PROTOCOL') throw thrown;
      throw invalid('agent', `does not match the base URL, which uses ${scheme}`);
    }
  };
  return { send: async (request) => exchange(open(request), request) };
}

function agentOptions(): object {
  return {
    keepAlive: true,
    // Closes idle connections well before the service does (after 60 s), but does not limit requests.
    timeout: 30_000,
    scheduling: 'lifo',
    // Set if Node is configured to use proxy settings from the environment.
    proxyEnv: Reflect.get(Object(Reflect.get(http.globalAgent, 'options')), 'proxyEnv'),
  };
}

/** Sends a request and resolves when the response headers have arrived. */
function exchange(request: ClientRequest, { body, signal }: TransportRequest): Promise<TransportResponse> {
  return new Promise((resolve, reject) => {
    let response: IncomingMessage | undefined;
    const abort = (): void => {
      const reason = new Error('The request was aborted.');
      response?.destroy(reason);
      request.destroy(reason);
    };
    request.on('response', (message) => {
      response = message;
      resolve(new NodeResponse(message));
    });
    // Without this listener, Node would keep the connection open and report nothing.
    request.on('upgrade', (_, socket) => {
      socket.destroy();
      reject(new Error('The server switched to another protocol.'));
    });
    // After the response has started, errors have no effect here. The reader of the body receives them.
    request.on('error', reject);
    request.on('close', () => signal.removeEventListener('abort', abort));
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    // Node adds `content-length`, because `end` receives the whole body.
    else request.end(body);
  });
}

class NodeResponse implements TransportResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly #body: Readable;
  #parts: AsyncIterator<Uint8Array> | undefined;

  constructor(message: IncomingMessage) {
    this.status = message.statusCode ?? 0;
    this.headers = new NodeHeaders(message);
    // Errors are passed to the reader of the body. If there is no reader, an error must not crash the process.
    this.#body = decoded(message).on('error', () => {});
  }

  text(): Promise<string> {
    return new Promise((resolve, reject) => {
      const parts: Uint8Array[] = [];
      this.#body.on('data', (part: Uint8Array) => parts.push(part));
      finished(this.#body, (error) => {
        if (error) reject(error);
        else resolve(new TextDecoder().decode(parts.length === 1 ? parts[0] : Buffer.concat(parts)));
      });
    });
  }

  async read(): Promise<Uint8Array | undefined> {
    this.#parts ??= this.#body[Symbol.asyncIterator]();
    const { done, value } = await this.#parts.next();
    return done ? undefined : value;
  }

  cancel(): void {
    this.#body.destroy();
  }
}

class NodeHeaders implements ResponseHeaders {
  readonly #message: IncomingMessage;

  constructor(message: IncomingMessage) {
    this.#message = message;
  }

  get(name: string): string | null {
    const value = this.#message.headers[name.toLowerCase()];
    return value === undefined ? null : joined(value);
  }

  *[Symbol.iterator](): Iterator<[string, string]> {
    for (const [name, value] of Object.entries(this.#message.headers)) {
      if (value !== undefined) yield [name, joined(value)];
    }
  }
}

function joined(value: string | readonly string[]): string {
  return typeof value === 'string' ? value : value.join(', ');
}

/**
 * Creates a decompressor that emits data as early as possible. Returns `undefined` for unknown or multiple encodings. A
 * truncated body causes an error.
 */
function createDecoder(encoding: string): Transform | undefined {
  if (!['gzip', 'x-gzip', 'deflate', 'br'].includes(encoding)) return undefined;
  const { constants, createBrotliDecompress, createGunzip, createInflate } =
    process.getBuiltinModule('node:zlib');
  if (encoding === 'br') return createBrotliDecompress({ flush: constants.BROTLI_OPERATION_FLUSH });
  const options = { flush: constants.Z_SYNC_FLUSH };
  return encoding === 'deflate' ? createInflate(options) : createGunzip(options);
}

/** Returns the decompressed body. */
function decoded(message: IncomingMessage): Readable {
  const { 'content-encoding': encoding = '', 'content-length': length } = message.headers;
  const isEmpty = length === '0' || message.statusCode === 204;
  const decoder = isEmpty ? undefined : createDecoder(encoding.trim().toLowerCase());
  if (decoder === undefined) return message;
  // Closes the connection if the decoder fails or is destroyed. The reader receives the decoder's errors.
  return pipeline(message, decoder, () => {});
}
