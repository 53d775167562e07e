import { ConfigurationError, MaxToolRoundsError, ToolCallError } from '../errors/index.ts';
import type { Deadline } from '../http/deadline.ts';
import { isRecord, parseJson } from '../internal/json.ts';
import type { ChunkReader } from './chunk-reader.ts';
import type { ChatCompletion, CompletionMessage, CompletionUsage, ToolCall } from './completion.ts';
import { type AnySchemaOptions, type Checked, issuesText, validate } from './json-schema.ts';
import type { RunToolsOptions } from './options.ts';
import type { ChatCompletionRequest, ChatMessage } from './request.ts';
import { checkFinished, parseReply } from './structured-output.ts';
import { isTool, type Tool } from './tools.ts';

/** The last completion of a tool run. `usage` is the total for all rounds. */
export type ToolRunCompletion = ChatCompletion & {
  /** The whole conversation: the messages of the request, all tool calls and their results, and the last reply. */
  readonly messages: readonly ChatMessage[];
  /** Number of rounds in which tools ran. */
  readonly rounds: number;
};

/** An event emitted by {@link ChatClient.streamTools}. */
export type ToolEvent =
  | { readonly type: 'text' | 'reasoning'; readonly text: string }
  | { readonly type: 'tool-call'; readonly id: string; readonly name: string; readonly arguments: string }
  | { readonly type: 'tool-result'; readonly id: string; readonly name: string; readonly content: string };

/** Requests the next completion of a run. If the result is a generator, it also yields the events of the stream. */
export type Ask = (
  request: ChatCompletionRequest,
  signal: AbortSignal,
) => Promise<ChunkReader> | AsyncGenerator<ToolEvent, ChunkReader, undefined>;

/** Requests completions and runs the tools that the model calls, until it calls none. */
export async function* runTools(
  request: ChatCompletionRequest,
  { tools, maxRounds = 10, schema }: RunToolsOptions & AnySchemaOptions,
  deadline: Deadline,
  ask: Ask,
): AsyncGenerator<ToolEvent, ToolRunCompletion, undefined> {
  checkRun(request, tools, maxRounds);
  const messages: ChatMessage[] = [...request.messages];
  /** Names of the tools that the model called incorrectly in an earlier round. */
  const corrected = new Set<string>();
  let choice: Pick<ChatCompletionRequest, 'tool_choice'> = {};
  let usage: CompletionUsage | undefined;
  try {
    for (let rounds = 0; ; rounds++) {
      const asked = ask({ ...request, ...choice, messages: [...messages], tools }, deadline.signal);
      const reader = 'next' in asked ? yield* asked : await asked;
      const { completion } = reader;
      const { message } = completion.choices[0];
      usage = addUsage(usage, completion.usage);
      messages.push(message);
      const calls = callsToRun(reader, messages);
      messages.splice(-1, 1, withJsonArguments(message));
      if (calls.length === 0) {
        const last = { ...completion, ...(usage && { usage }), messages, rounds };
        if (schema === undefined) return last;
        return { ...last, ...(await parseReply(last, schema, reader, deadline.signal)) };
      }
      if (rounds === maxRounds) {
        const why = `The model still called tools after ${maxRounds} rounds.`;
        throw new MaxToolRoundsError(why, { maxRounds, messages });
      }
      for (const { id, function: called } of calls) yield { type: 'tool-call', id, ...called };
      const results = await runCalls(calls, tools.filter(isTool), corrected, messages, deadline);
      for (const [position, { id, function: called }] of calls.entries()) {
        yield { type: 'tool-result', id, name: called.name, content: results[position] ?? '' };
      }
      // If the model had to call a tool in every round, the run would never finish.
      if (request.tool_choice && request.tool_choice !== 'none') choice = { tool_choice: 'auto' };
    }
  } catch (error) {
    throw withMessages(error, messages);
  }
}

/** @throws {ConfigurationError} If the tools, `maxRounds` or the messages are invalid. */
function checkRun(request: ChatCompletionRequest, tools: RunToolsOptions['tools'], maxRounds: number): void {
  const fail = (option: string, why: string): never => {
    throw new ConfigurationError(`\`${option}\` ${why}.`, { option });
  };
  const isCustom = (tool: unknown): boolean => isRecord(tool) && isRecord(tool.custom);
  if (!Number.isSafeInteger(maxRounds) || maxRounds < 1) fail('maxRounds', 'must be a positive integer');
  if (request.tools !== undefined) fail('tools', 'must be passed in the second argument');
  if (!Array.isArray(tools) || !tools.every((tool) => isTool(tool) || isCustom(tool))) {
    fail('tools', 'must be an array of tools created by `defineTool()`');
  }
  if (!Array.isArray(request.messages)) fail('messages', 'must be an array');
  const names = tools.filter(isTool).map(({ name }) => name);
  if (new Set(names).size < names.length) fail('tools', 'contains two tools with the same name');
}

/** Returns the tool calls to run. */
function callsToRun(reader: ChunkReader, messages: readonly ChatMessage[]): readonly ToolCall[] {
  const [{ message, finish_reason }] = reader.completion.choices;
  const { tool_calls: calls = [], content, function_call } = message;
  if (calls.length === 0) {
    const isAnnounced = /^(?:tool_calls?|function_call|tool_use)$/i.test(finish_reason ?? '');
    if (!isAnnounced || content || function_call) return calls;
    const why = 'The model announced a tool call but did not make one.';
    throw new ToolCallError(why, { toolName: '', issues: [], messages });
  }
  // Some servers send no `finish_reason`, so only the arguments show whether the calls are complete.
  checkFinished(reader.completion, reader, finish_reason === null && calls.some(isInvalid));
  // The caller handles calls to custom tools.
  return calls.every((call) => isRecord(call.function)) ? calls : [];
}

/** Runs the calls of one round in parallel, and adds their results to the messages. */
async function runCalls(
  calls: readonly ToolCall[],
  tools: readonly Tool[],
  corrected: Set<string>,
  messages: ChatMessage[],
  deadline: Deadline,
): Promise<readonly string[]> {
  const wrong = new Set<string>();
  const results: string[] = [];
  const run = async ({ id, function: called }: ToolCall): Promise<string> => {
    const { name } = called;
    const tool = tools.find((one) => one.name === name);
    const parameters = parseJson(called.arguments);
    const fail = (message: string): Checked => ({ issues: [{ path: [], message }] });
    let checked: Checked;
    if (tool === undefined) checked = fail(`available tools: ${tools.map((one) => one.name).join(', ')}`);
    else if (!isRecord(parameters))
      checked = fail(parameters === undefined ? 'not JSON' : 'not a JSON object');
    else checked = await validate(tool.parameters, parameters);
    const { value, issues } = checked;
    if (issues === undefined) {
      const result = await tool?.run(value, { toolCallId: id, signal: deadline.signal });
      return typeof result === 'string' ? result : (JSON.stringify(result) ?? '');
    }
    const why = `${tool ? 'invalid arguments' : 'unknown tool'}: ${issuesText(issues)}`;
    if (corrected.has(name)) {
      const again = `The model made another invalid call to the tool ${name} after the first one was reported: ${why}.`;
      throw new ToolCallError(again, { toolName: name, issues, messages });
    }
    wrong.add(name);
    return JSON.stringify({ error: why });
  };
  try {
    const running = calls.map(async (call, position) => {
      results[position] = await run(call);
    });
    await deadline.race(Promise.all(running));
  } catch (error) {
    // Aborts the tools that are still running.
    deadline.abort(error);
    throw error;
  } finally {
    // `forEach` skips calls that have not finished.
    results.forEach((content, position) => {
      messages.push({ role: 'tool', tool_call_id: String(calls[position]?.id), content });
    });
    for (const name of wrong) corrected.add(name);
  }
  return results;
}

/** Replaces tool call arguments that are not a JSON object, because the server's chat template would fail on them. */
function withJsonArguments(message: CompletionMessage): CompletionMessage {
  const tool_calls = message.tool_calls?.map((call) =>
    isInvalid(call) ? { ...call, function: { ...call.function, arguments: '{}' } } : call,
  );
  return tool_calls ? { ...message, tool_calls } : message;
}

function isInvalid({ function: called }: ToolCall): boolean {
  return isRecord(called) && !isRecord(parseJson(called.arguments));
}

/**
 * Adds the conversation to an error, so that the caller knows which tools have run. The field is not enumerable, to
 * keep it out of logs.
 */
function withMessages(error: unknown, value: readonly ChatMessage[]): unknown {
  if (typeof error === 'object' && error !== null && Object.isExtensible(error) && !('messages' in error)) {
    Object.defineProperty(error, 'messages', { value, configurable: true, writable: true });
  }
  return error;
}

/** Adds up the numbers in two usage objects. */
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
