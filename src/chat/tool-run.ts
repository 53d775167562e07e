import {
  ConfigurationError,
  MaxToolRoundsError,
  OutputTruncatedError,
  ToolCallError,
} from '../errors/index.ts';
import type { Deadline } from '../http/deadline.ts';
import { isTooDeep, parseJson } from '../internal/json.ts';
import type { ChatCompletion } from './completion.ts';
import type { ToolCall } from './content.ts';
import { type Checked, checkAgainst, issuesText } from './json-schema.ts';
import type { RunToolsOptions } from './options.ts';
import type { ChatCompletionRequest, ChatMessage, ToolMessage } from './request.ts';
import { isTool, type Tool } from './tool.ts';

/** The model's last answer, and how it came to it. */
export type ToolRunCompletion = ChatCompletion & {
  /** The whole conversation: what was asked, every call and its result, and the last answer. */
  readonly messages: readonly ChatMessage[];
  /** How many rounds of tool calls were carried out. */
  readonly rounds: number;
};

const DEFAULT_ROUNDS = 10;

/**
 * Asks the model, runs the tools that it asks for, tells it what they answered, and so on until it asks for none.
 *
 * @param complete - Asks the model.
 */
export async function runTools(
  request: ChatCompletionRequest,
  { tools, maxRounds = DEFAULT_ROUNDS }: Pick<RunToolsOptions, 'tools' | 'maxRounds'>,
  complete: (request: ChatCompletionRequest) => Promise<ChatCompletion>,
  scope: Deadline,
): Promise<ToolRunCompletion> {
  if (!(Number.isSafeInteger(maxRounds) && maxRounds >= 1)) {
    throw new ConfigurationError('maxRounds must be a whole number, 1 or more', { option: 'maxRounds' });
  }
  if (request.tools !== undefined) {
    throw new ConfigurationError('`tools` is an option of `runTools()`: pass it in the second argument.', {
      option: 'tools',
    });
  }
  const run = new ToolRun(request, tools, scope);
  let { tool_choice } = request;
  for (let rounds = 0; ; rounds++) {
    const messages = [...run.messages];
    const completion = await complete({
      ...request,
      messages,
      tools,
      ...(tool_choice !== undefined && { tool_choice }),
    });
    const { message, finish_reason } = completion.choices[0];
    run.messages.push(message);
    const calls = message.tool_calls ?? [];
    if (calls.length === 0) return { ...completion, messages: run.messages, rounds };
    if (finish_reason === 'length') {
      const what = 'a tool call was cut off at the limit of tokens: raise max_tokens';
      throw new OutputTruncatedError(what, { completion });
    }
    if (rounds === maxRounds) {
      const what = `the model still called tools after ${maxRounds} rounds`;
      throw new MaxToolRoundsError(what, { maxRounds, messages: run.messages });
    }
    run.messages.push(...(await run.answer(calls)));
    // Whoever has to call a tool in every round never comes to an answer.
    if (tool_choice !== undefined && tool_choice !== 'none') tool_choice = 'auto';
  }
}

/** A conversation in which tools are called. */
class ToolRun {
  readonly messages: ChatMessage[];
  readonly #tools: ReadonlyMap<string, Tool>;
  readonly #scope: Deadline;
  /** Tools whose call the model got wrong in an earlier round. */
  readonly #corrected = new Set<string>();

  constructor({ messages }: ChatCompletionRequest, tools: readonly Tool[], scope: Deadline) {
    if (!Array.isArray(tools) || !tools.every(isTool)) {
      throw new ConfigurationError('tools must be a list of tools that can be run, as of defineTool()', {
        option: 'tools',
      });
    }
    if (!Array.isArray(messages)) {
      throw new ConfigurationError('messages must be a list', { option: 'messages' });
    }
    this.messages = [...messages];
    this.#tools = new Map(tools.map((tool) => [tool.name, tool]));
    this.#scope = scope;
    if (this.#tools.size < tools.length) {
      throw new ConfigurationError('tools: two of them have the same name', { option: 'tools' });
    }
  }

  /** Carries out the calls of one round, side by side. */
  async answer(calls: readonly ToolCall[]): Promise<ToolMessage[]> {
    const wrong = new Set<string>();
    try {
      const answers = calls.map(async (call): Promise<ToolMessage> => {
        const content = await this.#answerCall(call, wrong);
        return { role: 'tool', tool_call_id: call.id, content };
      });
      return await this.#scope.race(Promise.all(answers));
    } catch (error) {
      // The other tools of the round need not go on.
      this.#scope.abort(error);
      throw error;
    } finally {
      for (const name of wrong) this.#corrected.add(name);
    }
  }

  async #answerCall(
    { id, function: { name, arguments: text } }: ToolCall,
    wrong: Set<string>,
  ): Promise<string> {
    const tool = this.#tools.get(name);
    const checked = tool ? await readArguments(tool, text) : missing(this.#tools.keys());
    if (checked.issues !== undefined) {
      const { issues } = checked;
      const what = `${tool ? 'the arguments are wrong' : 'there is no such tool'}: ${issuesText(issues)}`;
      if (this.#corrected.has(name)) {
        const message = `the model called the tool ${name} wrongly again after it was told: ${what}`;
        throw new ToolCallError(message, { toolName: name, issues, messages: this.messages });
      }
      wrong.add(name);
      return JSON.stringify({ error: what });
    }
    const result = await (tool as Tool).run(checked.value, { toolCallId: id, signal: this.#scope.signal });
    return typeof result === 'string' ? result : (JSON.stringify(result) ?? '');
  }
}

/** Models leave the text empty where there is nothing to say. */
async function readArguments(tool: Tool, text: string): Promise<Checked<unknown>> {
  const value = text === '' ? {} : parseJson(text);
  if (value !== undefined && !isTooDeep(text, value)) return checkAgainst(tool.parameters, value);
  return { issues: [{ path: [], message: 'not JSON' }] };
}

function missing(names: Iterable<string>): Checked<never> {
  return { issues: [{ path: [], message: `the tools are ${[...names].join(', ')}` }] };
}
