import { ConfigurationError } from '../errors/index.ts';
import type { Result } from '../http/call.ts';
import type { Endpoint, HttpClient } from '../http/client.ts';
import { isRecord } from '../internal/json.ts';
import { ChatStream } from './chat-stream.ts';
import { ChunkReader } from './chunk-reader.ts';
import type { ChatCompletion } from './completion.ts';
import { isStandardSchema } from './json-schema.ts';
import type { AnySchemaOptions, ChatCallOptions, ChatStreamOptions } from './options.ts';
import type { ChatCompletionRequest, ChatRequest, ChatStreamRequest } from './request.ts';
import { parseReply, responseFormat } from './structured-output.ts';
import { toToolDefinition } from './tool.ts';

const COMPLETIONS = { method: 'POST', path: '/v1/chat/completions', retry: 'transient' } as const;

/** A completion, and the reader that it came from. */
export interface ReadCompletion {
  readonly completion: ChatCompletion;
  readonly reader: ChunkReader;
}

/** Sends a request for a whole completion. */
export async function requestCompletion(
  http: HttpClient,
  request: ChatCompletionRequest,
  options: ChatCallOptions & AnySchemaOptions,
): Promise<Result<ReadCompletion>> {
  const body = await toBody(request, options, false);
  const requested = requestedChoices(body);
  const endpoint: Endpoint<ReadCompletion> = {
    ...COMPLETIONS,
    body,
    decode: async (response, context) => {
      const reader = new ChunkReader(response, context, { requested });
      return { completion: await reader.readWhole(), reader };
    },
  };
  const deadline = http.deadline(options);
  try {
    return await http.request(endpoint, deadline, options);
  } finally {
    deadline[Symbol.dispose]();
  }
}

/** Creates a stream, which sends its request when it is read. */
export function openStream(
  http: HttpClient,
  request: ChatStreamRequest,
  options: ChatStreamOptions & AnySchemaOptions,
  idleTimeoutMs: number | undefined,
): ChatStream {
  const { schema, signal } = options;
  checkRequest(request);
  if (schema !== undefined) checkOneChoice(request);
  return new ChatStream({
    deadline: () => http.deadline(options),
    send: async (deadline) => {
      const body = await toBody(request, options, true);
      const settings = { requested: requestedChoices(body), idleTimeoutMs };
      const endpoint: Endpoint<ChunkReader> = {
        ...COMPLETIONS,
        body,
        accept: 'text/event-stream',
        decode: async (response, context) => {
          const reader = new ChunkReader(response, context, settings);
          await reader.open();
          return reader;
        },
      };
      return http.request(endpoint, deadline, options);
    },
    complete: (completion, reader) =>
      schema === undefined ? completion : parseReply(completion, schema, reader, signal),
  });
}

/** Options that are easily put in the request by mistake. */
const OPTION_NAMES = [
  'signal',
  'timeoutMs',
  'idleTimeoutMs',
  'headers',
  'maxRetries',
  'apiKey',
  'schema',
  'schemaName',
  'maxRounds',
];

/**
 * Creates the body of a request: schemas become JSON Schema, everything else is sent as it is.
 *
 * @throws {ConfigurationError} If the request is not an object, contains an option, or a schema has no JSON Schema.
 */
async function toBody(
  request: ChatRequest,
  { schema, schemaName, strict }: AnySchemaOptions,
  stream: boolean,
): Promise<Record<string, unknown>> {
  const fields = checkRequest(request);
  const { tools, response_format } = fields;
  if (!stream && fields.stream) {
    throw new ConfigurationError('`stream` must not be set here: use `stream()`.', { option: 'stream' });
  }
  const format = schema ?? (isStandardSchema(response_format) ? response_format : undefined);
  return toWellFormed({
    ...fields,
    ...(format !== undefined && { response_format: await responseFormat(format, schemaName, strict) }),
    ...(Array.isArray(tools) && { tools: await Promise.all(tools.map(toToolDefinition)) }),
    stream,
  }) as Record<string, unknown>;
}

/** @throws {ConfigurationError} If the request is not an object, or contains an option. */
export function checkRequest(request: unknown): Record<string, unknown> {
  const { toJSON } = (request ?? {}) as { readonly toJSON?: unknown };
  const fields: unknown = typeof toJSON === 'function' ? toJSON.call(request) : request;
  if (!isRecord(fields)) {
    throw new ConfigurationError('The request must be an object with `model` and `messages`.', {
      option: 'request',
    });
  }
  const option = OPTION_NAMES.find((name) => fields[name] !== undefined);
  if (option === undefined) return fields;
  throw new ConfigurationError(
    `\`${option}\` is an option, not a field of the request: pass it in the second argument.`,
    { option },
  );
}

/** @throws {ConfigurationError} If the request asks for several choices, since only the first one would be read. */
export function checkOneChoice(request: ChatRequest): void {
  const { n } = checkRequest(request);
  if (n === undefined || n === null || n === 1) return;
  throw new ConfigurationError('`n` must be 1: use `complete()` or `stream()` for several choices.', {
    option: 'n',
  });
}

function requestedChoices({ n }: Record<string, unknown>): number {
  return typeof n === 'number' && n > 1 ? n : 1;
}

/** Replaces lone surrogates, which servers reject. Returns the same value if there are none. */
function toWellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) {
    const items = value.map(toWellFormed);
    return items.some((item, index) => item !== value[index]) ? items : value;
  }
  // Dates and other objects that have their own JSON are left to it.
  if (!isRecord(value) || typeof value.toJSON === 'function') return value;
  const entries = Object.entries(value).map(([name, item]): [string, unknown] => [name, toWellFormed(item)]);
  return entries.some(([name, item]) => item !== value[name]) ? Object.fromEntries(entries) : value;
}
