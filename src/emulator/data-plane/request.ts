import * as z from 'zod';
import { isRecord } from '../../internal/json.ts';
import { ModelServerError } from './errors.ts';
import type { ChatRequest, EmulatedMessage } from './reply.ts';

/*
 * Validates requests as vLLM does, with the same statuses, and with vLLM's messages unless they are unclear. Unknown
 * fields are accepted.
 */

const named = z.looseObject({ name: z.string() });
const strings = z.union([z.string(), z.array(z.string())]);

/** @param expected - vLLM's description of the range. */
function range(type: z.ZodNumber, minimum: number, maximum: number, expected: string): z.ZodType {
  return type.refine((value) => value >= minimum && value <= maximum, expected).nullish();
}

const POSITIVE = Number.MIN_VALUE;

/** Fields that both completion endpoints accept. */
const common = {
  model: z.string(),
  stream: z.boolean().nullish(),
  stream_options: z.nullish(z.looseObject({})),
  n: range(z.int(), 1, 128, 'from 1 to 128'),
  temperature: range(z.number(), 0, Infinity, 'non-negative'),
  top_p: range(z.number(), POSITIVE, 1, 'in (0, 1]'),
  top_k: range(z.int(), -1, Infinity, '-1 or 0 (disabled), or at least 1'),
  min_p: range(z.number(), 0, 1, 'in [0, 1]'),
  frequency_penalty: range(z.number(), -2, 2, 'in [-2, 2]'),
  presence_penalty: range(z.number(), -2, 2, 'in [-2, 2]'),
  repetition_penalty: range(z.number(), POSITIVE, Infinity, 'greater than zero'),
  max_tokens: range(z.int(), 1, Infinity, 'at least 1'),
  stop: z.nullish(strings),
};

const message = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: z.nullish(z.union([z.string(), z.array(z.looseObject({ type: z.string() }))])),
  tool_calls: z.nullish(z.array(z.looseObject({ id: z.string().nullish() }))),
  tool_call_id: z.string().nullish(),
});

const chatRequest = z.looseObject({
  ...common,
  messages: z.array(message).min(1),
  max_completion_tokens: common.max_tokens,
  tools: z.nullish(z.array(z.looseObject({ type: z.string(), function: named }))),
  tool_choice: z.nullish(z.union([z.enum(['none', 'auto', 'required']), z.looseObject({ function: named })])),
  response_format: z.nullish(
    z.looseObject({ type: z.enum(['text', 'json_object', 'json_schema', 'structural_tag']) }),
  ),
});

const completionRequest = z.looseObject({
  ...common,
  prompt: strings.refine(({ length }) => length > 0, 'non-empty'),
});

/** @throws {ModelServerError} If the request is invalid. */
export function parseChatRequest(body: Record<string, unknown>): ChatRequest {
  const request: ChatRequest = parse(chatRequest, body);
  checkOptions(request);
  checkTools(request);
  checkResponseFormat(request);
  checkMessages(request.messages);
  return request;
}

/** Returns a request with a user message for each prompt of `/v1/completions`. @throws {ModelServerError} */
export function parseCompletionRequest(body: Record<string, unknown>): ChatRequest[] {
  const request = parse(completionRequest, body);
  checkOptions(request);
  return [request.prompt].flat().map((content) => ({ ...request, messages: [{ role: 'user', content }] }));
}

function parse<Schema extends z.ZodType>(schema: Schema, body: Record<string, unknown>): z.output<Schema> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = (issue?.path ?? []).map(String);
  const [name = ''] = path;
  const values = issue?.code === 'invalid_value' ? `; it must be one of ${issue.values.join(', ')}` : '';
  const text =
    issue?.code === 'custom'
      ? `${name} must be ${issue.message}, got ${body[name]}.`
      : `\`${path.join('.')}\` is missing or invalid${values}.`;
  throw new ModelServerError(400, text, name);
}

function reject(condition: boolean, text: string, param: string): void {
  if (condition) throw new ModelServerError(400, text, param);
}

/** Rejects `stream_options` in a non-streaming request. */
function checkOptions(request: Readonly<Record<string, unknown>>): void {
  const needsStream = 'Stream options can only be defined when `stream=True`.';
  reject(isRecord(request.stream_options) && request.stream !== true, needsStream, 'stream_options');
}

/** A tool that the request offers. */
interface OfferedTool {
  readonly name: string;
  readonly parameters?: unknown;
  readonly strict?: unknown;
}

export function offeredTools({ tools }: ChatRequest): readonly OfferedTool[] {
  return Array.isArray(tools) ? tools.map((tool: { function: OfferedTool }) => tool.function) : [];
}

/**
 * Returns the name of the tool that the model must call: the tool in `tool_choice`, or the first tool for `required`.
 */
export function requiredTool(request: ChatRequest): string | undefined {
  const { tool_choice: choice } = request;
  if (choice === 'required') return offeredTools(request)[0]?.name;
  return isRecord(choice) && isRecord(choice.function) ? String(choice.function.name) : undefined;
}

function checkTools(request: ChatRequest): void {
  const choice = request.tool_choice ?? 'none';
  const names = offeredTools(request).map(({ name }) => name);
  const hasTools = Array.isArray(request.tools) && (names.length > 0 || choice === 'auto');
  const needsTools = 'When using `tool_choice`, `tools` must be set.';
  // vLLM does not require `tools` if `tool_choice` is `none`.
  reject(choice !== 'none' && !hasTools, needsTools, 'tool_choice');
  const name = requiredTool(request);
  const text = `The tool specified in \`tool_choice\` (\`${name}\`) does not match any of the specified \`tools\`.`;
  reject(name !== undefined && !names.includes(name), text, 'tool_choice');
}

function checkResponseFormat({ response_format: format }: ChatRequest): void {
  if (!isRecord(format) || format.type !== 'json_schema') return;
  const { json_schema: json } = format;
  const missing = "When response_format type is 'json_schema', the 'json_schema' field must be provided.";
  reject(json === undefined || json === null, missing, 'response_format');
  const isNamed = isRecord(json) && typeof json.name === 'string';
  reject(!isNamed, '`response_format.json_schema.name` is missing or not a string.', 'response_format');
}

/** Returns the JSON Schema that the reply must match, or `undefined` if the reply need not be JSON. */
export function responseSchema({
  response_format: format,
}: ChatRequest): { readonly schema: unknown; readonly strict: boolean } | undefined {
  if (!isRecord(format)) return undefined;
  if (format.type === 'json_object') return { schema: { type: 'object' }, strict: false };
  if (format.type !== 'json_schema' || !isRecord(format.json_schema)) return undefined;
  return {
    schema: format.json_schema.schema ?? { type: 'object' },
    strict: format.json_schema.strict === true,
  };
}

/** Checks that every tool message belongs to a tool call, and that every tool call has a result. */
function checkMessages(messages: readonly EmulatedMessage[]): void {
  /** Ids of tool calls that have no result yet. */
  const open = new Set<string>();
  for (const [index, { role, tool_calls: calls, tool_call_id: id }] of [...messages, {}].entries()) {
    const at = `\`messages[${index}]\``;
    if (role === 'tool') {
      reject(typeof id !== 'string', `${at} has no \`tool_call_id\`.`, 'messages');
      const text = `${at} is the result of tool call \`${id}\`, which does not occur in any preceding assistant message.`;
      reject(!open.delete(String(id)), text, 'messages');
      continue;
    }
    const [missing] = open;
    const text = `Tool call \`${missing}\` has no result: a \`tool\` message with its id must precede ${at}.`;
    reject(missing !== undefined, text, 'messages');
    if (role !== 'assistant' || !Array.isArray(calls)) continue;
    for (const call of calls) if (typeof call.id === 'string') open.add(call.id);
  }
}
