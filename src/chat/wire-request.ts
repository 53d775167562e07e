import { ConfigurationError } from '../errors/index.ts';
import type { AnySchemaOptions } from './options.ts';
import type { ChatRequest } from './request.ts';
import { responseFormat } from './structured-output.ts';
import { isTool, toolDefinition } from './tool.ts';

/** Options of this package that are easily put in the request by mistake. */
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
export async function wireRequest(
  request: ChatRequest,
  { schema, schemaName }: AnySchemaOptions = {},
): Promise<object> {
  checkRequest(request);
  const { tools } = request;
  const hasTools = Array.isArray(tools) && tools.some(isTool);
  if (schema === undefined && !hasTools) return request;
  return {
    ...request,
    ...(schema !== undefined && { response_format: await responseFormat(schema, schemaName) }),
    ...(tools !== undefined && { tools: await Promise.all(tools.map(toolDefinition)) }),
  };
}

/** @throws {ConfigurationError} If the request asks for several choices, since only the first one would be read. */
export function checkOneChoice(request: ChatRequest): void {
  checkRequest(request);
  const { n } = request;
  if (n === undefined || n === null || n === 1) return;
  throw new ConfigurationError('`n` must be 1: use `complete()` or `stream()` for several choices.', {
    option: 'n',
  });
}

export function checkRequest(request: unknown): asserts request is object {
  if (typeof request !== 'object' || request === null) {
    throw new ConfigurationError('The request must be an object with `model` and `messages`.', {
      option: 'request',
    });
  }
  const option = OPTION_NAMES.find((name) => (request as Record<string, unknown>)[name] !== undefined);
  if (option === undefined) return;
  throw new ConfigurationError(
    `\`${option}\` is an option, not a field of the request: pass it in the second argument.`,
    {
      option,
    },
  );
}
