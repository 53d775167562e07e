import { ConfigurationError } from '../errors/index.ts';
import type { Endpoint } from '../http/client.ts';
import { CALL_OPTIONS, CLIENT_OPTIONS } from '../http/options.ts';
import { isRecord } from '../internal/json.ts';
import { ChunkReader } from './chunk-reader.ts';
import type { AnySchemaOptions } from './json-schema.ts';
import type { ChatStreamOptions } from './options.ts';
import type { ChatRequest } from './request.ts';
import { isStandardSchema, isTool } from './tools.ts';

/** Names of the options that `ChatClient` and its methods accept. */
export const CHAT_CLIENT_OPTIONS = ['apiKey', 'region', ...CLIENT_OPTIONS, 'idleTimeoutMs', 'transport'];
export const CHAT_CALL_OPTIONS = [...CALL_OPTIONS, 'apiKey'];
export const SCHEMA_OPTIONS = [...CHAT_CALL_OPTIONS, 'schema', 'schemaName', 'strict'];
export const TOOL_OPTIONS = [...SCHEMA_OPTIONS, 'tools', 'maxRounds'];

/**
 * Creates the endpoint for a completion request, streamed or not.
 *
 * @throws {ConfigurationError} If the request is invalid, or a schema cannot be converted to JSON Schema.
 */
export async function completionEndpoint(
  request: ChatRequest,
  options: ChatStreamOptions & AnySchemaOptions,
  stream: boolean,
): Promise<Endpoint<ChunkReader>> {
  const fields = checkRequest(request);
  if (!stream && fields.stream) {
    throw new ConfigurationError('`stream` is not allowed here. Call `stream()`.', { option: 'stream' });
  }
  const requested = typeof fields.n === 'number' && fields.n > 1 ? fields.n : 1;
  return {
    method: 'POST',
    path: '/v1/chat/completions',
    retry: 'transient',
    body: { ...fields, ...(await writeSchemas(fields, options)), stream },
    accept: stream ? 'text/event-stream' : undefined,
    decode: (response, context) =>
      new ChunkReader(response, context, requested, options.idleTimeoutMs).open(!stream),
  };
}

/** Returns the request fields that contain schemas, after converting the schemas to JSON Schema. */
async function writeSchemas(
  { tools, response_format }: Readonly<Record<string, unknown>>,
  options: AnySchemaOptions,
): Promise<object> {
  const schema = options.schema ?? (isStandardSchema(response_format) ? response_format : undefined);
  const hasTools = Array.isArray(tools) && tools.some(isTool);
  if (schema === undefined && !hasTools) return {};
  const { toResponseFormat, toToolDefinition } = await import('./json-schema.ts');
  return {
    ...(schema !== undefined && { response_format: await toResponseFormat(schema, options) }),
    ...(hasTools && { tools: await Promise.all(tools.map(toToolDefinition)) }),
  };
}

/** Options that are easily mistaken for request fields. */
const OPTION_NAMES = [...TOOL_OPTIONS, 'idleTimeoutMs'].filter(
  (name) => name !== 'tools' && name !== 'strict',
);

/** @throws {ConfigurationError} If the request is not an object, or contains a call option such as `signal`. */
export function checkRequest(request: unknown): Readonly<Record<string, unknown>> {
  const { toJSON } = (request ?? {}) as { readonly toJSON?: unknown };
  const fields: unknown = typeof toJSON === 'function' ? toJSON.call(request) : request;
  if (!isRecord(fields)) {
    throw new ConfigurationError('The request must be an object with `model` and `messages`.', {
      option: 'request',
    });
  }
  const option = OPTION_NAMES.find((name) => fields[name] !== undefined);
  if (option === undefined) return fields;
  const why = `\`${option}\` is an option, not a request field. Pass it in the second argument.`;
  throw new ConfigurationError(why, { option });
}

/** @throws {ConfigurationError} If `n` is not 1, because only the first choice would be used. */
export function checkOneChoice<Request extends ChatRequest>(request: Request): Request {
  const fields = checkRequest(request) as unknown as Request;
  if (fields.n === undefined || fields.n === null || fields.n === 1) return fields;
  const why = '`n` must be 1. For several choices, use `complete()` or `stream()`.';
  throw new ConfigurationError(why, { option: 'n' });
}
