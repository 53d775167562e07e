/* Bridges to the HTTP layer that `core` replaces. Deleted when that branch is merged. */
import { ApiError, type DrunError, InvalidResponseError, type ResponseIssue } from '../errors/index.ts';
import type { CallOptions } from '../http/call-options.ts';
import { type Answered, type CallPromise, callPromise } from '../http/call-response.ts';
import type { CallScope } from '../http/call-scope.ts';
import { answerOf, hasErrorEnvelope, type RequestContext, toApiError } from '../http/error-mapping.ts';
import { isObject, isTooDeep, parseJson } from '../http/json.ts';
import { isTransient } from '../http/retry.ts';
import { cannotHaveHappened, type Transport } from '../http/transport.ts';

export const cannotHaveBeenApplied = cannotHaveHappened;
export type Result<Data> = Answered<Data>;
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
  readonly scope: CallScope;
}
export interface AttemptInfo {
  readonly mayHaveBeenApplied: boolean;
}
export interface TransportResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly raw: Response;
  text(): Promise<string>;
}
export interface ResponseContext {
  readonly label: string;
  readonly raw: RequestContext;
  redact(text: string): string;
}
export interface JsonRules {
  readonly fields: readonly string[];
  readonly allowEmpty?: boolean | undefined;
}
export interface Endpoint<T> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly params?: Readonly<Record<string, string>> | undefined;
  readonly query?: URLSearchParams | undefined;
  readonly body?: unknown;
  readonly retry: 'never' | 'if-not-applied' | 'transient';
  readonly finalStatuses?: readonly number[] | undefined;
  readonly onSend?: (() => void) | undefined;
  readonly recover?: ((error: ApiError, attempt: AttemptInfo) => T | undefined) | undefined;
  readonly decode: (response: TransportResponse, context: ResponseContext) => T | Promise<T>;
}

export function invalidResponse(
  response: TransportResponse,
  context: ResponseContext,
  what: string,
  details: { readonly issues?: readonly ResponseIssue[] } = {},
): InvalidResponseError {
  return new InvalidResponseError(
    context.redact(`${context.label} returned ${response.status} with ${what}.`),
    {
      ...answerOf(response.raw, context.raw),
      ...details,
    },
  );
}

export async function readJson(
  response: TransportResponse,
  context: ResponseContext,
  { fields, allowEmpty }: JsonRules,
): Promise<unknown> {
  const text = await response.text();
  const value = parseJson(text);
  if (value === undefined || isTooDeep(text, value))
    throw invalidResponse(response, context, 'a body that is not JSON');
  if (hasErrorEnvelope(value)) throw toApiError(response.status, response.headers, text, context.raw);
  if (!isObject(value)) throw invalidResponse(response, context, 'a body that is not an object');
  const isKnown = fields.some((name) => name in value) || (allowEmpty && Object.keys(value).length === 0);
  if (!isKnown) throw invalidResponse(response, context, `none of the fields ${fields.join(', ')}`);
  return value;
}

export class HttpClient {
  readonly transport: Transport;
  constructor(transport: Transport) {
    this.transport = transport;
  }
  call<T>(endpoint: () => Endpoint<T>, options: CallOptions = {}): CallPromise<T> {
    return callPromise(
      (async () => {
        const made = endpoint();
        const deadline = this.deadline(options);
        try {
          return await this.request(made, deadline, options);
        } finally {
          deadline[Symbol.dispose]();
        }
      })(),
    );
  }
  deadline(options: CallOptions): Deadline {
    const scope = this.transport.scope(options);
    return { signal: scope.signal, scope, [Symbol.dispose]: () => scope.dispose() };
  }
  request<T>(endpoint: Endpoint<T>, { scope }: Deadline, options: CallOptions = {}): Promise<Answered<T>> {
    const { method, path, params = {}, query, body, retry, finalStatuses = [], onSend, recover } = endpoint;
    let mayHaveBeenApplied = false;
    return this.transport.perform(
      {
        method,
        path: path
          .split('/')
          .slice(1)
          .map((part) => params[part.slice(1, -1)] ?? part),
        query,
        body,
        label: `${method} ${path}`,
        ...(onSend && { onSend }),
        mayRepeat: (error: DrunError) => {
          if (error instanceof ApiError && finalStatuses.includes(error.status)) return false;
          if (retry === 'if-not-applied') return cannotHaveHappened(error);
          mayHaveBeenApplied ||= isTransient(error) && !cannotHaveHappened(error);
          return retry === 'transient' && isTransient(error);
        },
        answerTo: (error) => recover?.(error, { mayHaveBeenApplied }),
        receive: async (response, context) =>
          endpoint.decode(
            {
              status: response.status,
              headers: response.headers,
              raw: response,
              text: async () => {
                const text = await scope.race(response.text());
                scope.throwIfEnded();
                return text;
              },
            },
            { label: context.label, raw: context, redact: (text) => context.scrubber.text(text) },
          ),
      },
      scope,
      options,
    );
  }
}
