import { isObject } from '../http.ts';
import { scenarioError } from './errors.ts';
import { exampleOf } from './json-schema.ts';
import { type ChatRequest, type EmulatedReply, type ReplyContext, textOf } from './reply.ts';
import { offeredTools, requiredTool, responseSchema } from './request.ts';

/**
 * Repeats the last user message. If the request requires a tool (`tool_choice`), calls it; if it requires JSON
 * (`response_format`), replies with the simplest valid value; if it asks for reasoning, starts with reasoning.
 *
 * @throws {HttpError} If the schema needs a scripted reply.
 */
export function defaultReply({ request }: ReplyContext): EmulatedReply {
  const text = textOf(request.messages.findLast(({ role }) => role === 'user')?.content);
  const reasoning = wantsReasoning(request) ? { reasoning: `The user said: ${text}` } : {};
  const required = requiredTool(request);
  if (required !== undefined) {
    const tool = offeredTools(request).find(({ name }) => name === required);
    const parameters = tool?.parameters ?? { type: 'object' };
    return {
      ...reasoning,
      toolCalls: [{ name: required, arguments: jsonFor(parameters, `tool \`${required}\``) }],
    };
  }
  const format = responseSchema(request);
  const content = format === undefined ? text : jsonFor(format.schema, 'response format');
  return { ...reasoning, content };
}

function jsonFor(schema: unknown, subject: string): string {
  const example = exampleOf(schema);
  if ('value' in example) return JSON.stringify(example.value);
  throw scenarioError(
    'scripted_reply_needed',
    `The default reply cannot satisfy the schema of the ${subject} (${example.problem}). Script a reply with \`reply\` or \`rules\`.`,
  );
}

/** Whether a request asks for reasoning, in the form of OpenAI's clients or of vLLM's chat templates. */
function wantsReasoning({ reasoning_effort: effort, chat_template_kwargs: template }: ChatRequest): boolean {
  if (typeof effort === 'string') return effort !== 'none';
  return isObject(template) && (template.enable_thinking === true || template.thinking === true);
}
