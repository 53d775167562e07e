import { isObject, parseJson } from '../http.ts';
import { textOf } from './message-text.ts';
import type { ChatRequest, Reply, ReplyContext } from './reply.ts';
import { CHARACTERS_PER_TOKEN } from './token-meter.ts';

/**
 * Says what the last user message said. A tool that the request insists on is called instead, with what was said for
 * its arguments where that is a JSON object; reasoning that the request asks for comes before.
 */
export function repeatLastUserMessage({ request }: ReplyContext): Reply {
  const said = textOf(request.messages.findLast(({ role }) => role === 'user')?.content);
  const tool = requiredTool(request);
  if (tool !== undefined) {
    const given = isObject(parseJson(said)) ? said : '{}';
    return {
      ...(wantsReasoning(request) && { reasoning: `The user wants ${tool}.` }),
      toolCalls: [{ name: tool, arguments: given }],
    };
  }
  const content = withinTokens(said, request.max_completion_tokens ?? request.max_tokens);
  return {
    ...(wantsReasoning(request) && { reasoning: `The user said: ${said}` }),
    content,
    finishReason: content === said ? 'stop' : 'length',
  };
}

/** As much of a text as a limit of tokens leaves of it. */
function withinTokens(text: string, limit: unknown): string {
  if (typeof limit !== 'number') return text;
  return [...text].slice(0, Math.max(0, limit) * CHARACTERS_PER_TOKEN).join('');
}

/** The tool that `tool_choice` names, or the first one where it wants any. */
function requiredTool({ tools, tool_choice: choice }: ChatRequest): string | undefined {
  const named = isObject(choice) && isObject(choice.function) ? choice.function.name : undefined;
  if (typeof named === 'string') return named;
  if (choice !== 'required' || !Array.isArray(tools)) return undefined;
  // Every tool of a request that was accepted has a function with a name.
  const [first] = tools as { readonly function: { readonly name: string } }[];
  return first?.function.name;
}

/** As OpenAI's clients ask for it, and as vLLM's chat templates do. */
function wantsReasoning({ reasoning_effort: effort, chat_template_kwargs: template }: ChatRequest): boolean {
  if (typeof effort === 'string') return effort !== 'none';
  return isObject(template) && (template.enable_thinking === true || template.thinking === true);
}
