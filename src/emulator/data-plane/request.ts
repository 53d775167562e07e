import * as z from 'zod/mini';
import { isObject } from '../http.ts';
import { ModelServerError } from './errors.ts';
import type { ChatRequest, EmulatedMessage } from './reply.ts';

/*
 * Validation of requests as vLLM does it: its statuses, and its messages where they are clear. Fields that it does
 * not know are accepted.
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
  stream_options: z.nullish(z.looseObject({ include_usage: flag, continuous_usage_stats: flag })),
  temperature: number,
  top_p: number,
  top_k: integer,
  min_p: number,
  n: integer,
  max_tokens: integer,
  stop: z.nullish(strings),
  seed: integer,
  frequency_penalty: number,
  presence_penalty: number,
  repetition_penalty: number,
  logit_bias: z.nullish(anyObject),
  user: z.nullish(z.string()),
};

const message = z.looseObject({
  role: z.string(),
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
  tool_choice: z.nullish(z.union([z.string(), anyObject])),
  parallel_tool_calls: flag,
  response_format: z.nullish(z.looseObject({ type: z.string() })),
  logprobs: flag,
  top_logprobs: integer,
});

const completionRequest = z.looseObject({ ...sampling, prompt: strings });

/** @throws {ModelServerError} If the request is invalid. */
export function parseChatRequest(body: Record<string, unknown>): ChatRequest {
  const request = parse(chatRequest, body);
  checkSampling(request);
  checkTools(request);
  checkResponseFormat(request);
  checkMessages(request.messages);
  return request;
}

/** Treats the prompt of the endpoint without chat as a user message. @throws {ModelServerError} */
export function parseCompletionRequest(body: Record<string, unknown>): ChatRequest {
  const request = parse(completionRequest, body);
  checkSampling(request);
  const prompts = typeof request.prompt === 'string' ? [request.prompt] : request.prompt;
  return { ...request, messages: prompts.map((content) => ({ role: 'user', content })) };
}

function parse<Schema extends z.ZodMiniType>(
  schema: Schema,
  body: Record<string, unknown>,
): z.output<Schema> {
  const result = z.safeParse(schema, body);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field = (issue?.path ?? []).map(String).join('.');
  throw invalid(
    `\`${field}\` is missing or invalid: ${issue?.message ?? 'invalid value'}.`,
    field.split('.')[0],
  );
}

function invalid(text: string, param?: string): ModelServerError {
  return new ModelServerError(400, text, param ?? null);
}

/** Ranges of the sampling parameters. */
const RANGES: readonly (readonly [name: string, accepts: (value: number) => boolean, expected: string])[] = [
  ['n', (value) => value >= 1 && value <= 128, 'be from 1 to 128'],
  ['temperature', (value) => value >= 0, 'be non-negative'],
  ['top_p', (value) => value > 0 && value <= 1, 'be in (0, 1]'],
  ['top_k', (value) => value >= -1, 'be -1 or 0 (disabled), or at least 1'],
  ['min_p', (value) => value >= 0 && value <= 1, 'be in [0, 1]'],
  ['frequency_penalty', (value) => value >= -2 && value <= 2, 'be in [-2, 2]'],
  ['presence_penalty', (value) => value >= -2 && value <= 2, 'be in [-2, 2]'],
  ['repetition_penalty', (value) => value > 0, 'be greater than zero'],
  ['max_tokens', (value) => value >= 1, 'be at least 1'],
  ['max_completion_tokens', (value) => value >= 1, 'be at least 1'],
  ['top_logprobs', (value) => value >= -1 && value <= 20, 'be from 0 to 20'],
];

function checkSampling(request: Readonly<Record<string, unknown>>): void {
  for (const [name, accepts, expected] of RANGES) {
    const value = request[name];
    if (typeof value === 'number' && !accepts(value))
      throw invalid(`${name} must ${expected}, got ${value}.`, name);
  }
  if (isObject(request.stream_options) && request.stream !== true) {
    throw invalid('Stream options can only be defined when `stream=True`.', 'stream_options');
  }
  if (typeof request.top_logprobs === 'number' && request.top_logprobs > 0 && request.logprobs !== true) {
    throw invalid('when using `top_logprobs`, `logprobs` must be set to true.', 'top_logprobs');
  }
}

/** A function that the request offers. */
export interface OfferedTool {
  readonly name: string;
  readonly parameters?: unknown;
  readonly strict?: unknown;
}

export function offeredTools({ tools }: ChatRequest): readonly OfferedTool[] {
  return Array.isArray(tools) ? (tools as { function: OfferedTool }[]).map((tool) => tool.function) : [];
}

/** Name of the tool that the model has to call: the one that `tool_choice` names, or the first if it is `required`. */
export function requiredTool(request: ChatRequest): string | undefined {
  const { tool_choice: choice } = request;
  if (choice === 'required') return offeredTools(request)[0]?.name;
  const name = isObject(choice) && isObject(choice.function) ? choice.function.name : undefined;
  return typeof name === 'string' ? name : undefined;
}

function checkTools(request: ChatRequest): void {
  const { tool_choice: choice } = request;
  if (choice === undefined || choice === null || choice === 'none') return;
  const tools = offeredTools(request);
  if (tools.length === 0) {
    // vLLM accepts `auto` without tools.
    if (choice === 'auto') return;
    throw invalid('When using `tool_choice`, `tools` must be set.', 'tool_choice');
  }
  if (choice === 'auto' || choice === 'required') return;
  const name = requiredTool(request);
  if (name === undefined) {
    throw invalid('`tool_choice` must be "none", "auto", "required" or name a function.', 'tool_choice');
  }
  if (!tools.some((tool) => tool.name === name)) {
    throw invalid(
      `The tool specified in \`tool_choice\` (\`${name}\`) does not match any of the specified \`tools\`.`,
      'tool_choice',
    );
  }
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

function checkResponseFormat({ response_format: format }: ChatRequest): void {
  if (!isObject(format)) return;
  if (!['text', 'json_object', 'json_schema', 'structural_tag'].includes(String(format.type))) {
    throw invalid(
      `\`response_format.type\` must be "text", "json_object", "json_schema" or "structural_tag", got ${JSON.stringify(format.type)}.`,
      'response_format',
    );
  }
  if (format.type !== 'json_schema') return;
  if (!isObject(format.json_schema)) {
    throw invalid(
      "When response_format type is 'json_schema', the 'json_schema' field must be provided.",
      'response_format',
    );
  }
  if (typeof format.json_schema.name !== 'string') {
    throw invalid('`response_format.json_schema.name` is missing or not a string.', 'response_format');
  }
}

const ROLES = ['system', 'developer', 'user', 'assistant', 'tool', 'function'];

function checkMessages(messages: readonly EmulatedMessage[]): void {
  /** Ids of tool calls that have no result yet. */
  const open = new Set<string>();
  for (const [index, { role, tool_calls: calls, tool_call_id: id }] of messages.entries()) {
    const at = `messages[${index}]`;
    if (role === undefined || !ROLES.includes(role)) {
      throw invalid(
        `\`${at}.role\` must be one of ${ROLES.join(', ')}, got ${JSON.stringify(role)}.`,
        'messages',
      );
    }
    if (role === 'tool') {
      if (typeof id !== 'string') throw invalid(`\`${at}.tool_call_id\` is missing.`, 'messages');
      if (!open.delete(id)) {
        throw invalid(
          `\`${at}\` is the result of tool call \`${id}\`, which no preceding assistant message made.`,
          'messages',
        );
      }
      continue;
    }
    requireNone(open, `before \`${at}\``);
    if (role !== 'assistant' || !Array.isArray(calls)) continue;
    for (const call of calls) if (typeof call.id === 'string') open.add(call.id);
  }
  requireNone(open, 'at the end of `messages`');
}

function requireNone(open: ReadonlySet<string>, where: string): void {
  const [id] = open;
  if (id !== undefined) {
    throw invalid(
      `Tool call \`${id}\` has no result: the \`tool\` message with its id is missing ${where}.`,
      'messages',
    );
  }
}
