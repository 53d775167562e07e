import { ConfigurationError } from '../errors/index.ts';
import type { Result } from '../http/call.ts';
import type { Endpoint, HttpClient } from '../http/client.ts';
import type { Deadline } from '../http/deadline.ts';
import { isRecord } from '../internal/json.ts';
import { ChatStream } from './chat-stream.ts';
import { ChunkReader } from './chunk-reader.ts';
import type { ChatCompletion } from './completion.ts';
import { isStandardSchema } from './json-schema.ts';
import { type ChatCallOptions, TOOL_OPTIONS } from './options.ts';
import type { ChatCompletionRequest, ChatRequest, ChatStreamRequest } from './request.ts';
import { type AnySchemaOptions, toResponseFormat } from './structured-output.ts';
import { toToolDefinition } from './tools.ts';

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
  const endpoint: Endpoint<ReadCompletion> = {
    ...COMPLETIONS,
    body,
    decode: async (response, context) => {
      const reader = new ChunkReader(response, context, requestedChoices(body));
      return { completion: await reader.readWhole(), reader };
    },
  };
  return http.send(endpoint, options);
}

/**
 * Creates a stream, which sends its request when it is read.
 *
 * @param complete - Turns the completion into the result of the stream's `completion()`.
 */
export function openStream<Completion extends ChatCompletion>(
  http: HttpClient,
  request: ChatStreamRequest,
  options: ChatCallOptions & AnySchemaOptions,
  idleTimeoutMs: number | undefined,
  complete: (completion: ChatCompletion, reader: ChunkReader) => Completion | Promise<Completion>,
): ChatStream<Completion> {
  checkRequest(request);
  const send = async (deadline: Deadline): Promise<Result<ChunkReader>> => {
    const body = await toBody(request, options, true);
    const endpoint: Endpoint<ChunkReader> = {
      ...COMPLETIONS,
      body,
      accept: 'text/event-stream',
      decode: async (response, context) => {
        const reader = new ChunkReader(response, context, requestedChoices(body), idleTimeoutMs);
        await reader.open();
        return reader;
      },
    };
    return http.request(endpoint, deadline, options);
  };
  return new ChatStream({ deadline: () => http.deadline(options), send, complete });
}

/** Options that are easily put in the request by mistake. */
const OPTION_NAMES = [...TOOL_OPTIONS, 'idleTimeoutMs'].filter(
  (name) => name !== 'tools' && name !== 'strict',
);

/**
 * Creates the body of a request: schemas become JSON Schema, everything else is sent as it is.
 *
 * @throws {ConfigurationError} If the request is not an object, contains an option, or a schema has no JSON Schema.
 */
async function toBody(
  request: ChatRequest,
  options: AnySchemaOptions,
  stream: boolean,
): Promise<Record<string, unknown>> {
  const fields = checkRequest(request);
  const { tools, response_format } = fields;
  if (!stream && fields.stream) {
    throw new ConfigurationError('`stream` must not be set here: use `stream()`.', { option: 'stream' });
  }
  const schema = options.schema ?? (isStandardSchema(response_format) ? response_format : undefined);
  return {
    ...fields,
    ...(schema !== undefined && { response_format: await toResponseFormat(schema, options) }),
    ...(Array.isArray(tools) && { tools: await Promise.all(tools.map(toToolDefinition)) }),
    stream,
  };
}

/** @throws {ConfigurationError} If the request is not an object, or contains an option. */
function checkRequest(request: unknown): Record<string, unknown> {
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
