import {
  ConfigurationError,
  MaxToolRoundsError,
  ModelRefusalError,
  OutputTruncatedError,
  ToolCallError,
} from '../errors/index.ts';
import type { Deadline } from '../http/deadline.ts';
import { isRecord, isTooDeep, parseJson } from '../internal/json.ts';
import type { ChatCompletion, CompletionUsage, ToolCall } from './completion.ts';
import type { ReadCompletion } from './completions.ts';
import { finishKind } from './finish-reason.ts';
import { type Checked, issuesText, validate } from './json-schema.ts';
import type { RunToolsOptions } from './options.ts';
import type { ChatCompletionRequest, ChatMessage, ToolMessage } from './request.ts';
import { type AnySchemaOptions, parseReply } from './structured-output.ts';
import { isTool, type Tool } from './tools.ts';

/** The last completion of a run. Its usage is the sum over all rounds. */
export type ToolRunCompletion = ChatCompletion & {
  /** The whole conversation: the request's messages, every call and its result, and the last reply. */
  readonly messages: readonly ChatMessage[];
  /** Number of rounds in which tools ran. */
  readonly rounds: number;
};

/** An event of {@link ChatClient.streamTools}. */
export type ToolEvent =
  | { readonly type: 'text' | 'reasoning'; readonly text: string }
  | { readonly type: 'tool-call'; readonly id: string; readonly name: string; readonly arguments: string }
  | { readonly type: 'tool-result'; readonly id: string; readonly name: string; readonly content: string };

/** Requests one completion; a generator yields the events of its stream. */
export type Ask = (
  request: ChatCompletionRequest,
) => Promise<ReadCompletion> | AsyncGenerator<ToolEvent, ReadCompletion, undefined>;

type Settings = Pick<RunToolsOptions, 'tools' | 'maxRounds'> & AnySchemaOptions;

/** A conversation in which the model calls tools. */
export class ToolRun {
  readonly #request: ChatCompletionRequest;
  readonly #settings: Settings;
  readonly #maxRounds: number;
  readonly #deadline: Deadline;
  readonly #messages: ChatMessage[];
  readonly #tools: ReadonlyMap<string, Tool>;
  /** Names of tools that the model has called wrongly in an earlier round. */
  readonly #corrected = new Set<string>();

  /** @throws {ConfigurationError} If the tools, `maxRounds` or the messages are invalid. */
  constructor(request: ChatCompletionRequest, settings: Settings, deadline: Deadline) {
    const { tools, maxRounds = 10 } = settings;
    const fail = (option: string, why: string): never => {
      throw new ConfigurationError(`\`${option}\` ${why}.`, { option });
    };
    const isCustom = (tool: unknown): boolean => isRecord(tool) && isRecord(tool.custom);
    const isValid = Array.isArray(tools) && tools.every((tool) => isTool(tool) || isCustom(tool));
    if (!Number.isSafeInteger(maxRounds) || maxRounds < 1) fail('maxRounds', 'must be a positive integer');
    if (request.tools !== undefined) fail('tools', 'is an option here: pass it in the second argument');
    if (!isValid) fail('tools', 'must be an array of tools of `defineTool()`');
    if (!Array.isArray(request.messages)) fail('messages', 'must be an array');
    const runnable = tools.filter(isTool);
    this.#request = request;
    this.#settings = settings;
    this.#maxRounds = maxRounds;
    this.#deadline = deadline;
    this.#messages = [...request.messages];
    this.#tools = new Map(runnable.map((tool) => [tool.name, tool]));
    if (this.#tools.size < runnable.length) fail('tools', 'has two tools with the same name');
  }

  /** Requests completions and runs the tools that they call, until one calls none. */
  async *rounds(ask: Ask): AsyncGenerator<ToolEvent, ToolRunCompletion, undefined> {
    const { tools, schema } = this.#settings;
    let { tool_choice } = this.#request;
    let usage: CompletionUsage | undefined;
    try {
      for (let rounds = 0; ; rounds++) {
        const asked = ask({
          ...this.#request,
          messages: [...this.#messages],
          tools,
          ...(tool_choice !== undefined && { tool_choice }),
        });
        const { completion, reader } = 'next' in asked ? yield* asked : await asked;
        usage = addUsage(usage, completion.usage);
        const { message } = completion.choices[0];
        this.#messages.push(message);
        const calls = this.#callsToRun(completion, rounds);
        if (calls.length === 0) {
          const last = { ...completion, ...(usage && { usage }), messages: this.#messages, rounds };
          return schema === undefined || message.tool_calls?.length
            ? last
            : { ...last, ...(await parseReply(last, schema, reader, this.#deadline.signal)) };
        }
        yield* this.#run(calls);
        // A model that has to call a tool in every round would never reply.
        if (tool_choice !== undefined && tool_choice !== 'none') tool_choice = 'auto';
      }
    } catch (error) {
      throw withMessages(error, this.#messages);
    }
  }

  #callsToRun(completion: ChatCompletion, rounds: number): readonly ToolCall[] {
    const [{ message, finish_reason }] = completion.choices;
    const { tool_calls: calls = [], content, function_call } = message;
    const messages = this.#messages;
    if (calls.length === 0) {
      const isAnnounced = /^(?:tool_calls?|function_call|tool_use)$/i.test(finish_reason ?? '');
      if (!isAnnounced || content || function_call) return calls;
      const why = 'The model announced a tool call, but made none.';
      throw new ToolCallError(why, { toolName: '', issues: [], messages });
    }
    const kind = finishKind(finish_reason);
    if (kind === 'cut') {
      throw new OutputTruncatedError('A tool call was cut off at the token limit: raise `max_tokens`.', {
        completion,
      });
    }
    if (kind === 'withheld') {
      const why = 'A filter withheld the reply with the tool calls.';
      throw new ModelRefusalError(why, { refusal: message.refusal ?? null, completion });
    }
    // Calls of custom tools are left to the caller.
    if (calls.some((call) => !isRecord(call.function))) return [];
    if (rounds < this.#maxRounds) return calls;
    throw new MaxToolRoundsError(`The model still called tools after ${this.#maxRounds} rounds.`, {
      maxRounds: this.#maxRounds,
      messages,
    });
  }

  /** Runs the calls of one round in parallel. */
  async *#run(calls: readonly ToolCall[]): AsyncGenerator<ToolEvent, void, undefined> {
    for (const { id, function: called } of calls) yield { type: 'tool-call', id, ...called };
    const wrong = new Set<string>();
    const results: ToolMessage[] = [];
    try {
      const running = calls.map(async (call, position) => {
        const content = await this.#result(call, wrong);
        results[position] = { role: 'tool', tool_call_id: call.id, content };
      });
      await this.#deadline.race(Promise.all(running));
    } catch (error) {
      // The other tools of the round can stop.
      this.#deadline.abort(error);
      throw error;
    } finally {
      // Without the holes of calls that did not end.
      this.#messages.push(...results.filter(Boolean));
      for (const name of wrong) this.#corrected.add(name);
    }
    for (const [position, { id, function: called }] of calls.entries()) {
      yield { type: 'tool-result', id, name: called.name, content: String(results[position]?.content) };
    }
  }

  async #result({ id, function: called }: ToolCall, wrong: Set<string>): Promise<string> {
    const { name } = called;
    const tool = this.#tools.get(name);
    const known = [...this.#tools.keys()].join(', ');
    const checked: Checked<unknown> =
      tool === undefined
        ? { issues: [{ path: [], message: `the tools are ${known}` }] }
        : await readArguments(tool, called.arguments);
    if (checked.issues === undefined) {
      const result = await tool?.run(checked.value, { toolCallId: id, signal: this.#deadline.signal });
      return typeof result === 'string' ? result : (JSON.stringify(result) ?? '');
    }
    const { issues } = checked;
    const why = `${tool ? 'invalid arguments' : 'unknown tool'}: ${issuesText(issues)}`;
    if (this.#corrected.has(name)) {
      const again = `The model made another invalid call of the tool ${name} after a correction: ${why}.`;
      throw new ToolCallError(again, { toolName: name, issues, messages: this.#messages });
    }
    wrong.add(name);
    return JSON.stringify({ error: why });
  }
}

async function readArguments({ parameters }: Tool, text: string): Promise<Checked<unknown>> {
  const value = text.trim() === '' ? {} : parseJson(text);
  if (value !== undefined && !isTooDeep(text, value)) return validate(parameters, value);
  return { issues: [{ path: [], message: 'not JSON' }] };
}

/** Adds the conversation to an error, since the effects of tools cannot be undone. Logs do not show it. */
function withMessages(error: unknown, value: readonly ChatMessage[]): unknown {
  if (typeof error === 'object' && error !== null && Object.isExtensible(error) && !('messages' in error)) {
    Object.defineProperty(error, 'messages', { value, configurable: true, writable: true });
  }
  return error;
}

/** Adds up all numbers of two usages. */
function addUsage<T extends object>(sum: T | undefined, added: T | null | undefined): T | undefined {
  if (!isRecord(added)) return sum;
  const total: Record<string, unknown> = { ...sum };
  for (const [name, value] of Object.entries(added)) {
    const before = total[name];
    if (typeof value === 'number') total[name] = (typeof before === 'number' ? before : 0) + value;
    else if (isRecord(value)) total[name] = addUsage(isRecord(before) ? before : undefined, value);
    else total[name] ??= value;
  }
  return total as T;
}
