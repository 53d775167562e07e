import type { PartialCompletion } from '../errors/index.ts';
import { isRecord as isObject } from '../internal/json.ts';

type Fields = Record<string, unknown>;

/** Without a prototype, a field that a server calls `__proto__` is a field like any other. */
const noFields = (): Fields => Object.create(null) as Fields;

interface ToolCallInProgress {
  fields: Fields;
  function: Fields & { name: string; arguments: string };
}

interface ChoiceInProgress {
  /** Fields of the choice itself that this package knows nothing of. */
  fields: Fields;
  /** What the deltas have added up to, but for the tool calls. */
  message: Fields;
  toolCalls: Map<number, ToolCallInProgress>;
  logprobs: Fields | undefined;
  finishReason: string | null;
}

/** What every chunk says of itself, and nearly all of them say again: compared, which costs less than to be kept again. */
interface Head {
  readonly id?: unknown;
  readonly object?: unknown;
  readonly created?: unknown;
  readonly model?: unknown;
}

function isInHead(name: string): boolean {
  return name === 'id' || name === 'object' || name === 'created' || name === 'model';
}

/**
 * Puts chunks together to a completion. Every field that comes is kept; a field of an unexpected type is taken
 * for one that is not known, never for a reason to fail.
 *
 * There are thousands of chunks: what is done for each of them neither makes nor copies an object.
 */
export class CompletionBuilder {
  readonly #choices = new Map<number, ChoiceInProgress>();
  #fields: Fields = noFields();
  #head: Head = {};

  add(chunk: Fields): void {
    const { id, object, created, model, choices } = chunk;
    const head = this.#head;
    const isRepeated =
      id === head.id && object === head.object && created === head.created && model === head.model;
    if (!isRepeated) this.#head = { id, object, created, model };
    for (const name in chunk) {
      if (name === 'choices' || (isRepeated && isInHead(name))) continue;
      const value = chunk[name];
      if (value !== null && value !== undefined) this.#fields[name] = value;
    }
    if (!Array.isArray(choices)) return;
    for (let position = 0; position < choices.length; position++) {
      const choice: unknown = choices[position];
      if (isObject(choice)) this.#addChoice(choice, position);
    }
  }

  /** Whether an answer has begun, and all that have begun have finished. */
  get finished(): boolean {
    const choices = [...this.#choices.values()];
    return choices.length > 0 && choices.every(({ finishReason }) => finishReason !== null);
  }

  /** What has come so far. Later chunks do not change it. */
  build(): PartialCompletion {
    const choices = [...this.#choices.entries()].sort(([a], [b]) => a - b);
    return {
      ...this.#fields,
      object: 'chat.completion',
      choices: choices.map(([index, choice]) => ({
        ...choice.fields,
        index,
        message: messageOf(choice),
        ...(choice.logprobs && { logprobs: structuredClone(choice.logprobs) }),
        finish_reason: choice.finishReason,
      })),
    };
  }

  #addChoice(choice: Fields, position: number): void {
    const { index, delta, finish_reason, logprobs } = choice;
    const key = typeof index === 'number' ? index : position;
    let state = this.#choices.get(key);
    if (state === undefined) {
      state = {
        fields: noFields(),
        message: noFields(),
        toolCalls: new Map(),
        logprobs: undefined,
        finishReason: null,
      };
      this.#choices.set(key, state);
    }
    for (const name in choice) if (!isPutTogether(name)) state.fields[name] = choice[name];
    if (isObject(delta)) addDelta(state, delta);
    if (isObject(logprobs)) state.logprobs = appendLists(state.logprobs ?? noFields(), logprobs);
    if (typeof finish_reason === 'string' && finish_reason !== '') state.finishReason = finish_reason;
  }
}

/** Any other field of a choice is kept as it came last. */
function isPutTogether(name: string): boolean {
  return name === 'index' || name === 'delta' || name === 'finish_reason' || name === 'logprobs';
}

function messageOf({
  message,
  toolCalls,
}: ChoiceInProgress): PartialCompletion['choices'][number]['message'] {
  const calls = [...toolCalls.entries()].sort(([a], [b]) => a - b);
  return {
    ...Object.fromEntries(
      Object.entries(message).map(([name, value]) => [name, Array.isArray(value) ? [...value] : value]),
    ),
    role: 'assistant',
    content: typeof message.content === 'string' ? message.content : null,
    ...(calls.length > 0 && {
      tool_calls: calls.map(([, call]) => ({
        type: 'function',
        ...call.fields,
        function: { ...call.function },
      })),
    }),
  };
}

/** What a delta says of a message is what is new in it: texts and lists grow. */
function addDelta(choice: ChoiceInProgress, delta: Fields): void {
  const { message } = choice;
  for (const name in delta) {
    const value = delta[name];
    if (name === 'role' || value === null || value === undefined) continue;
    if (name === 'tool_calls' && Array.isArray(value)) {
      for (const call of value) if (isObject(call)) addToolCall(choice.toolCalls, call);
      continue;
    }
    const before = message[name];
    if (typeof value === 'string' && typeof before === 'string') message[name] = before + value;
    else if (Array.isArray(value) && Array.isArray(before)) before.push(...value);
    // The chunk is in the caller's hands as well: its list is not the one that grows.
    else message[name] = Array.isArray(value) ? [...value] : value;
  }
}

function addToolCall(calls: Map<number, ToolCallInProgress>, piece: Fields): void {
  const { index, function: said, ...fields } = piece;
  const key = typeof index === 'number' ? index : keyWithoutIndex(calls, fields.id);
  let call = calls.get(key);
  if (call === undefined) {
    call = { fields: noFields(), function: Object.assign(noFields(), { name: '', arguments: '' }) };
    calls.set(key, call);
  }
  for (const [name, value] of Object.entries(fields)) {
    // Servers repeat the id and the type, or send them empty, in the pieces after the first.
    if (value !== null && value !== undefined && value !== '') call.fields[name] ??= value;
  }
  if (!isObject(said)) return;
  for (const [name, value] of Object.entries(said)) {
    if (name !== 'name' && name !== 'arguments') call.function[name] ??= value;
  }
  if (typeof said.name === 'string' && call.function.name === '') call.function.name = said.name;
  if (typeof said.arguments === 'string') call.function.arguments += said.arguments;
}

/** Some servers leave the index out: then a new id begins a new call, and anything else goes on with the last. */
function keyWithoutIndex(calls: Map<number, ToolCallInProgress>, id: unknown): number {
  const last = Math.max(-1, ...calls.keys());
  const isNew = typeof id === 'string' && id !== '' && calls.get(last)?.fields.id !== id;
  return isNew || last === -1 ? last + 1 : last;
}

function appendLists(before: Fields, added: Fields): Fields {
  for (const [name, value] of Object.entries(added)) {
    const list = before[name];
    if (Array.isArray(list) && Array.isArray(value)) list.push(...value);
    else if (value !== null || !(name in before)) before[name] = Array.isArray(value) ? [...value] : value;
  }
  return before;
}
