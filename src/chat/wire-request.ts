import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ConfigurationError } from '../errors/index.ts';
import type { ChatRequest } from './request.ts';
import { responseFormat } from './structured-output.ts';
import { isTool, toolDefinition } from './tool.ts';

/**
 * What is sent for a request: schemas written as JSON Schema, everything else as it is.
 *
 * @throws ConfigurationError if it is no request, or a schema cannot be written.
 */
export async function wireRequest(request: ChatRequest): Promise<object> {
  checkRequest(request);
  const { schema, tools } = request;
  const hasTools = Array.isArray(tools) && tools.some(isTool);
  if (schema === undefined && !hasTools) return request;
  const { schema: _, schemaName, ...sent } = request;
  return {
    ...sent,
    ...(schema !== undefined && {
      response_format: await responseFormat(schema as StandardSchemaV1, schemaName as string | undefined),
    }),
    ...(tools !== undefined && { tools: await Promise.all(tools.map(toolDefinition)) }),
  };
}

/** Where one answer is read, others would be paid for and lost. */
export function checkOneAnswer(request: ChatRequest): void {
  checkRequest(request);
  const { n } = request;
  if (n === undefined || n === null || n === 1) return;
  throw new ConfigurationError('n: one answer is read; use complete() for several', { option: 'n' });
}

export function checkRequest(request: unknown): void {
  if (typeof request === 'object' && request !== null) return;
  throw new ConfigurationError('request must be an object with model and messages', { option: 'request' });
}
