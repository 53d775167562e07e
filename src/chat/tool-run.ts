import { MaxToolRoundsError, ToolCallError } from '../errors/index.ts';
import { check } from '../errors/invalid.ts';
import type { Deadline } from '../http/deadline.ts';
import { isRecord, parseJson } from '../internal/json.ts';
import type { ChunkReader } from './chunk-reader.ts';
import type { ChatCompletion, CompletionMessage, CompletionUsage, ToolCall } from './completion.ts';
import { type AnySchemaOptions, type Checked, issuesText, validate } from './json-schema.ts';
import type { RunToolsOptions } from './options.ts';
import type { ChatCompletionRequest, ChatMessage } from './request.ts';
import { checkFinished, parseReply } from './structured-output.ts';
import { defineTool, isTool, type Tool } from './tools.ts';

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

/**
 * Requests completions and runs the tools that the model calls, until it calls none.
 *
 * @param messages - An empty array, to which the conversation is added.
 */
export async function* runTools(
  request: ChatCompletionRequest,
  { tools, maxRounds = 10, schema }: RunToolsOptions & AnySchemaOptions,
  messages: ChatMessage[],
  deadline: Deadline,
  ask: Ask,
): AsyncGenerator<ToolEvent, ToolRunCompletion, undefined> {
  checkRun(request, tools, maxRounds);
  messages.push(...request.messages);
  const toolsByName = new Map(tools.filter(isTool).map((tool) => [tool.name, tool]));
  /** Names of the tools that the model called incorrectly in an earlier round. */
  const reported = new Set<string>();
  let { tool_choice } = request;
  let usage: CompletionUsage | undefined;
  for (let rounds = 0; ; rounds++) {
    // Servers reject an empty array of tools.
    const sent = tools.length > 0 ? tools : undefined;
    const asked = ask({ ...request, tool_choice, messages, tools: sent }, deadline.signal);
    const reader = 'next' in asked ? yield* asked : await asked;
    const { completion } = reader;
    usage = addUsage(usage, completion.usage);
    messages.push(withJsonArguments(completion.choices[0].message));
    const calls = callsToRun(reader, messages);
    if (calls.length === 0) {
      const last = { ...completion, ...(usage && { usage }), messages, rounds };
      if (schema === undefined) return last;
      return { ...last, ...(await parseReply(last, schema, reader, deadline.signal)) };
    }
    if (rounds === maxRounds) {
      const why = `The model was still calling tools after ${maxRounds} rounds.`;
      throw new MaxToolRoundsError(why, { maxRounds, messages });
    }
    for (const { id, function: called } of calls) yield { type: 'tool-call', id, ...called };
    yield* await runCalls(calls, toolsByName, reported, messages, deadline);
    // If the model had to call a tool in every round, the run would never finish.
    if (tool_choice && tool_choice !== 'none') tool_choice = 'auto';
  }
}

/** @throws {ConfigurationError} If the tools, `maxRounds` or the messages are invalid. */
function checkRun(request: ChatCompletionRequest, tools: RunToolsOptions['tools'], maxRounds: number): void {
  const isCustom = (tool: unknown): boolean => isRecord(tool) && isRecord(tool.custom);
  const areTools = Array.isArray(tools) && tools.every((tool) => isTool(tool) || isCustom(tool));
  check(Number.isSafeInteger(maxRounds) && maxRounds >= 1, 'maxRounds', 'must be a positive integer');
  check(request.tools === undefined, 'tools', 'must be passed in the second argument');
  check(areTools, 'tools', 'must be an array of tools created by `defineTool()`');
  check(Array.isArray(request.messages), 'messages', 'must be an array');
  const names = tools.filter(isTool).map((tool) => defineTool(tool).name);
  check(new Set(names).size === names.length, 'tools', 'contains two tools with the same name');
}

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

/** Checks the calls of one round, runs the valid ones in parallel, and adds the results to the messages. */
async function runCalls(
  calls: readonly ToolCall[],
  tools: ReadonlyMap<string, Tool>,
  reported: Set<string>,
  messages: ChatMessage[],
  deadline: Deadline,
): Promise<readonly ToolEvent[]> {
  const checking = calls.map(async (call) => ({ call, ...(await checkCall(call, tools)) }));
  const checked = await deadline.race(Promise.all(checking));
  for (const { call, issues = [] } of checked) {
    const { name: toolName } = call.function;
    if (issues.length === 0 || !reported.has(toolName)) continue;
    const why = `The model made another invalid call to the tool ${toolName} after the first one was reported: ${issuesText(issues)}.`;
    throw new ToolCallError(why, { toolName, issues, messages });
  }
  const results: Extract<ToolEvent, { type: 'tool-result' }>[] = [];
  const running = checked.map(async ({ call: { id, function: called }, value, issues }, position) => {
    const { name } = called;
    if (issues !== undefined) reported.add(name);
    const result =
      issues === undefined
        ? await tools.get(name)?.run(value, { toolCallId: id, signal: deadline.signal })
        : { error: `invalid call: ${issuesText(issues)}` };
    const content = typeof result === 'string' ? result : (JSON.stringify(result) ?? '');
    results[position] = { type: 'tool-result', id, name, content };
  });
  try {
    await deadline.race(Promise.all(running));
  } catch (error) {
    // Aborts the tools that are still running.
    deadline.abort(error);
    throw error;
  } finally {
    // `forEach` skips calls that have not finished.
    results.forEach(({ id, content }) => {
      messages.push({ role: 'tool', tool_call_id: id, content });
    });
  }
  return results;
}

async function checkCall({ function: called }: ToolCall, tools: ReadonlyMap<string, Tool>): Promise<Checked> {
  const fail = (message: string): Checked => ({ issues: [{ path: [], message }] });
  const tool = tools.get(called.name);
  if (tool === undefined) return fail(`unknown tool, available tools: ${[...tools.keys()].join(', ')}`);
  const parameters = parseJson(called.arguments);
  if (!isRecord(parameters)) return fail(`not ${parameters === undefined ? 'JSON' : 'a JSON object'}`);
  return validate(tool.parameters, parameters);
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
