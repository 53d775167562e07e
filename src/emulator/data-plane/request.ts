import * as z from 'zod/mini';
import { isObject } from '../http.ts';
import { ModelServerError } from './errors.ts';
import type { ChatRequest, EmulatedMessage } from './reply.ts';

/*
 * Validation of requests as vLLM does it: its statuses, and its messages where they are clear. Unknown fields are
 * accepted.
 */

const number = z.nullish(z.number());
const integer = z.nullish(z.int());
const flag = z.nullish(z.boolean());
const anyObject = z.looseObject({});
const strings = z.union([z.string(), z.array(z.string())]);

/** Fields of both endpoints. */
const sampling = {
  model: z.string(),
  stream: flag,
  stream_options: z.nullish(anyObject),
  temperature: number,
  top_p: number,
  top_k: integer,
  min_p: number,
  n: integer,
  max_tokens: integer,
  stop: z.nullish(strings),
  frequency_penalty: number,
  presence_penalty: number,
  repetition_penalty: number,
};

const message = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: z.nullish(z.union([z.string(), z.array(z.looseObject({ type: z.string() }))])),
  tool_calls: z.nullish(z.array(z.looseObject({ id: z.nullish(z.string()) }))),
  tool_call_id: z.nullish(z.string()),
});

const chatRequest = z.looseObject({
  ...sampling,
  messages: z.array(message).check(z.minLength(1)),
  max_completion_tokens: integer,
  tools: z.nullish(
    z.array(z.looseObject({ type: z.string(), function: z.looseObject({ name: z.string() }) })),
  ),
  tool_choice: z.nullish(
    z.union([
      z.enum(['none', 'auto', 'required']),
      z.looseObject({ function: z.looseObject({ name: z.string() }) }),
    ]),
  ),
  response_format: z.nullish(
    z.looseObject({ type: z.enum(['text', 'json_object', 'json_schema', 'structural_tag']) }),
  ),
  logprobs: flag,
  top_logprobs: integer,
});

const completionRequest = z.looseObject({ ...sampling, prompt: strings });

/** @throws {ModelServerError} If the request is invalid. */
export function parseChatRequest(body: Record<string, unknown>): ChatRequest {
  const request: ChatRequest = parse(chatRequest, body);
  checkSampling(request);
  checkTools(request);
  checkMessages(request.messages);
  return request;
}

/** Treats the prompt of the endpoint without chat as a user message. @throws {ModelServerError} */
export function parseCompletionRequest(body: Record<string, unknown>): ChatRequest {
  const request = parse(completionRequest, body);
  checkSampling(request);
  return { ...request, messages: [request.prompt].flat().map((content) => ({ role: 'user', content })) };
}

function parse<Schema extends z.ZodMiniType>(
  schema: Schema,
  body: Record<string, unknown>,
): z.output<Schema> {
  const result = z.safeParse(schema, body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const [param = '', ...path] = (issue?.path ?? []).map(String);
  const values = issue?.code === 'invalid_value' ? `; it must be one of ${issue.values.join(', ')}` : '';
  throw new ModelServerError(400, `\`${[param, ...path].join('.')}\` is missing or invalid${values}.`, param);
}

/** Checks beyond types: what must not hold, and vLLM's message. */
function checkSampling(request: Readonly<Record<string, unknown>>): void {
  const outside = (name: string, minimum: number, maximum: number, expected: string): void => {
    const value = request[name];
    if (typeof value !== 'number' || (value >= minimum && value <= maximum)) return;
    throw new ModelServerError(400, `${name} must ${expected}, got ${value}.`, name);
  };
  const above = Number.MIN_VALUE;
  outside('n', 1, 128, 'be from 1 to 128');
  outside('temperature', 0, Infinity, 'be non-negative');
  outside('top_p', above, 1, 'be in (0, 1]');
  outside('top_k', -1, Infinity, 'be -1 or 0 (disabled), or at least 1');
  outside('min_p', 0, 1, 'be in [0, 1]');
  outside('frequency_penalty', -2, 2, 'be in [-2, 2]');
  outside('presence_penalty', -2, 2, 'be in [-2, 2]');
  outside('repetition_penalty', above, Infinity, 'be greater than zero');
  outside('max_tokens', 1, Infinity, 'be at least 1');
  outside('max_completion_tokens', 1, Infinity, 'be at least 1');
  reject(
    isObject(request.stream_options) && request.stream !== true,
    'Stream options can only be defined when `stream=True`.',
    'stream_options',
  );
  reject(
    Number(request.top_logprobs) > 0 && request.logprobs !== true,
    'when using `top_logprobs`, `logprobs` must be set to true.',
    'top_logprobs',
  );
}

function reject(condition: boolean, text: string, param: string): void {
  if (condition) throw new ModelServerError(400, text, param);
}

/** A function that the request offers. */
interface OfferedTool {
  readonly name: string;
  readonly parameters?: unknown;
  readonly strict?: unknown;
}

export function offeredTools({ tools }: ChatRequest): readonly OfferedTool[] {
  return Array.isArray(tools) ? tools.map((tool: { function: OfferedTool }) => tool.function) : [];
}

/** Name of the tool that the model has to call: the one that `tool_choice` names, or the first if it is `required`. */
export function requiredTool(request: ChatRequest): string | undefined {
  const { tool_choice: choice } = request;
  if (choice === 'required') return offeredTools(request)[0]?.name;
  return isObject(choice) && isObject(choice.function) ? String(choice.function.name) : undefined;
}

function checkTools(request: ChatRequest): void {
  const { tool_choice: choice, response_format: format } = request;
  const names = offeredTools(request).map(({ name }) => name);
  // vLLM does not need tools for `none`.
  const needsTools = choice !== undefined && choice !== null && choice !== 'none';
  const hasTools = Array.isArray(request.tools) && (names.length > 0 || choice === 'auto');
  reject(needsTools && !hasTools, 'When using `tool_choice`, `tools` must be set.', 'tool_choice');
  const name = requiredTool(request);
  reject(
    name !== undefined && !names.includes(name),
    `The tool specified in \`tool_choice\` (\`${name}\`) does not match any of the specified \`tools\`.`,
    'tool_choice',
  );
  const json = isObject(format) && format.type === 'json_schema' ? (format.json_schema ?? null) : undefined;
  reject(
    json === null,
    "When response_format type is 'json_schema', the 'json_schema' field must be provided.",
    'response_format',
  );
  const hasName = json === undefined || (isObject(json) && typeof json.name === 'string');
  reject(!hasName, '`response_format.json_schema.name` is missing or not a string.', 'response_format');
}

/** The JSON schema that the reply has to satisfy; `undefined` if it need not be JSON. */
export function responseSchema({
  response_format: format,
}: ChatRequest): { readonly schema: unknown; readonly strict: boolean } | undefined {
  if (!isObject(format)) return undefined;
  if (format.type === 'json_object') return { schema: { type: 'object' }, strict: false };
  if (format.type !== 'json_schema' || !isObject(format.json_schema)) return undefined;
  return { schema: format.json_schema.schema, strict: format.json_schema.strict === true };
}

/** Tool messages and tool calls have to belong together. */
function checkMessages(messages: readonly EmulatedMessage[]): void {
  /** Ids of tool calls that have no result yet. */
  const open = new Set<string>();
  for (const [index, { role, tool_calls: calls, tool_call_id: id }] of [...messages, {}].entries()) {
    const at = `\`messages[${index}]\``;
    if (role === 'tool') {
      reject(typeof id !== 'string', `${at} has no \`tool_call_id\`.`, 'messages');
      const text = `${at} is the result of tool call \`${id}\`, which no preceding assistant message made.`;
      reject(!open.delete(String(id)), text, 'messages');
      continue;
    }
    const [missing] = open;
    const text = `Tool call \`${missing}\` has no result: the \`tool\` message with its id is missing before ${at}.`;
    reject(missing !== undefined, text, 'messages');
    if (role !== 'assistant' || !Array.isArray(calls)) continue;
    for (const call of calls) if (typeof call.id === 'string') open.add(call.id);
  }
}
