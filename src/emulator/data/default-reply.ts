import { isObject, parseJson } from '../http.ts';
import { textOf } from './message-text.ts';
import type { ChatRequest, EmulatedReply, ReplyContext } from './reply.ts';
import { exampleOf } from './schema-example.ts';
import { CHARACTERS_PER_TOKEN } from './token-meter.ts';

/**
 * Says what the last user message said. A tool that the request insists on is called instead, and an answer that has
 * to be JSON is JSON: what was said where that is some, or else the plainest value of the schema. Reasoning that the
 * request asks for comes before, and at the request's limit of tokens it stops.
 */
export function repeatLastUserMessage({ request }: ReplyContext): EmulatedReply {
  const said = textOf(request.messages.findLast(({ role }) => role === 'user')?.content);
  const reasoning = wantsReasoning(request) ? { reasoning: `The user said: ${said}` } : {};
  const tool = requiredTool(request);
  if (tool !== undefined) {
    const { name, parameters } = tool;
    return { ...reasoning, toolCalls: [{ name, arguments: jsonOf(said, parameters ?? { type: 'object' }) }] };
  }
  const schema = wantedSchema(request);
  const whole = schema === undefined ? said : jsonOf(said, schema);
  const content = withinTokens(whole, request.max_completion_tokens ?? request.max_tokens);
  return { ...reasoning, content, finishReason: content === whole ? 'stop' : 'length' };
}

/** What was said, where that is a JSON object. */
function jsonOf(said: string, schema: unknown): string {
  return isObject(parseJson(said)) ? said : JSON.stringify(exampleOf(schema));
}

/** As much of a text as a limit of tokens leaves of it. */
function withinTokens(text: string, limit: unknown): string {
  if (typeof limit !== 'number') return text;
  return [...text].slice(0, Math.max(0, limit) * CHARACTERS_PER_TOKEN).join('');
}

interface RequestedTool {
  readonly name: string;
  readonly parameters?: unknown;
}

/** The tool that `tool_choice` names, or the first one where it wants any. */
function requiredTool({ tools, tool_choice: choice }: ChatRequest): RequestedTool | undefined {
  // Every tool of a request that was accepted has a function with a name.
  const offered = Array.isArray(tools) ? (tools as { readonly function: RequestedTool }[]) : [];
  if (choice === 'required') return offered[0]?.function;
  const name = isObject(choice) && isObject(choice.function) ? choice.function.name : undefined;
  if (typeof name !== 'string') return undefined;
  return offered.find((tool) => tool.function.name === name)?.function ?? { name };
}

/** What the answer has to be, where it has to be JSON (`response_format`). */
function wantedSchema({ response_format: format }: ChatRequest): unknown {
  if (!isObject(format)) return undefined;
  if (format.type === 'json_object') return { type: 'object' };
  return format.type === 'json_schema' && isObject(format.json_schema)
    ? format.json_schema.schema
    : undefined;
}

/** As OpenAI's clients ask for it, and as vLLM's chat templates do. */
function wantsReasoning({ reasoning_effort: effort, chat_template_kwargs: template }: ChatRequest): boolean {
  if (typeof effort === 'string') return effort !== 'none';
  return isObject(template) && (template.enable_thinking === true || template.thinking === true);
}
