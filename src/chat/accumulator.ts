import type { PartialCompletion } from '../errors/index.ts';
import { isRecord } from '../internal/json.ts';
import { finishKind } from './finish-reason.ts';
import { CHOICE, CHUNK, DELTA, mergeField, newFields, toPlain } from './merge.ts';
import type { Fields, NormalChoice, NormalChunk } from './normalize.ts';
import { mergeCalled, ToolCallList } from './tool-call-list.ts';

interface PendingChoice {
  readonly index: number;
  /** Fields of the choice itself. */
  readonly fields: Fields;
  readonly message: Fields;
  readonly calls: ToolCallList;
  finishReason: string | null;
  /** Whether the message arrived whole. */
  isWhole: boolean;
  /** The last `message` that came beside a delta. */
  beside: Fields | undefined;
}

/** A choice that the server reported as failed. */
export interface ChoiceFailure {
  readonly finishReason: string;
  /** `error` of the choice, if there is one. */
  readonly error: unknown;
}

/**
 * Assembles a completion from normalized chunks. Every field that arrives is in it; a whole response is a single chunk.
 */
export class CompletionAccumulator {
  readonly #requested: number;
  readonly #fields = newFields();
  readonly #choices = new Map<number, PendingChoice>();
  /** Indices that a server used for the parts of one choice. */
  readonly #aliases = new Map<number, number>();
  #failure: ChoiceFailure | undefined;

  /** @param requested - Number of choices that the request asked for. */
  constructor(requested: number) {
    this.#requested = requested;
  }

  /** Number of choices that have begun. */
  get size(): number {
    return this.#choices.size;
  }

  /** Index of the choice that text readers follow. */
  get firstIndex(): number {
    const [first = 0] = this.#requested === 1 ? this.#choices.keys() : [];
    return first;
  }

  /** The first choice whose finish reason says that the server failed. */
  get failure(): ChoiceFailure | undefined {
    return this.#failure;
  }

  /** Whether any choice has a finish reason. */
  get hasFinished(): boolean {
    return [...this.#choices.values()].some(({ finishReason }) => finishReason !== null);
  }

  /** Whether all requested choices have a finish reason. */
  get isFinished(): boolean {
    const choices = [...this.#choices.values()];
    const finished = choices.filter(({ finishReason }) => finishReason !== null);
    return (
      finished.length >= this.#requested &&
      choices.every((choice) => choice.finishReason !== null || isEmpty(choice))
    );
  }

  /** Adds a chunk. Gives each of its choices the `index` and the `delta` that readers are to see. */
  add(chunk: NormalChunk): void {
    for (const name in chunk) {
      const value = chunk[name];
      if (name === 'choices' || name === 'obfuscation') continue;
      if (name === 'created' && value === 0 && this.#fields.created !== undefined) continue;
      if (this.#fields[name] !== value) mergeField(this.#fields, name, value, CHUNK);
    }
    const added = new Set<PendingChoice>();
    for (const choice of chunk.choices) {
      const pending = this.#pendingFor(choice, added);
      added.add(pending);
      choice.index = pending.index;
      this.#addChoice(pending, choice);
    }
  }

  /**
   * Returns the completion so far. Must not be followed by {@link add}.
   *
   * @param isComplete - Whether it is complete, as opposed to what had arrived before a failure.
   */
  build(isComplete: boolean): PartialCompletion {
    const { object, ...fields } = toPlain(this.#fields) as Fields;
    const choices = [...this.#choices.values()].toSorted((a, b) => a.index - b.index);
    const isOtherObject = typeof object === 'string' && object !== '' && object !== 'chat.completion.chunk';
    return {
      ...fields,
      object: isOtherObject ? object : 'chat.completion',
      choices: choices.map((choice) => ({
        ...(toPlain(choice.fields) as Fields),
        index: choice.index,
        message: messageOf(choice, `${fields.id} ${choice.index}`, isComplete),
        finish_reason: choice.finishReason,
      })),
    };
  }

  #pendingFor(choice: NormalChoice, added: ReadonlySet<PendingChoice>): PendingChoice {
    const index = this.#aliases.get(choice.index) ?? choice.index;
    const pending = this.#choices.get(index);
    // Some servers number all choices of a whole response 0.
    if (pending !== undefined && choice.message !== undefined && added.has(pending)) {
      return this.#begin(Math.max(...this.#choices.keys()) + 1);
    }
    const [first] = this.#choices.values();
    const isPartOfFirst =
      this.#requested === 1 &&
      first !== undefined &&
      first.index !== index &&
      hasReasoning(first.message) &&
      !hasOutput(first) &&
      (pending === undefined || isEmpty(pending)) &&
      isOutputOnly(choice.delta ?? choice.message);
    if (!isPartOfFirst) return pending ?? this.#begin(index);
    // One choice was requested: this server numbers reasoning and text apart.
    this.#choices.delete(index);
    this.#aliases.set(index, first.index);
    return first;
  }

  #begin(index: number): PendingChoice {
    const choice = {
      index,
      fields: newFields(),
      message: newFields(),
      calls: new ToolCallList(),
      finishReason: null,
      isWhole: false,
      beside: undefined,
    };
    this.#choices.set(index, choice);
    return choice;
  }

  #addChoice(pending: PendingChoice, choice: NormalChoice): void {
    const { delta, message, finish_reason } = choice;
    for (const name in choice) {
      if (name === 'index' || name === 'delta' || name === 'message' || name === 'finish_reason') continue;
      mergeField(pending.fields, name, choice[name], CHOICE);
    }
    if (message === undefined) {
      if (delta !== undefined) addDelta(pending, delta);
    } else if (delta !== undefined && Object.keys(delta).length > 0) {
      addDelta(pending, delta);
      pending.beside = message;
    } else {
      choice.delta = addMessage(pending, message);
    }
    if (finish_reason === undefined || finish_reason === null) return;
    pending.finishReason = finish_reason;
    if (finishKind(finish_reason) !== 'failed') return;
    this.#failure ??= { finishReason: finish_reason, error: choice.error };
  }
}

function addDelta({ message, calls }: PendingChoice, delta: Fields): void {
  for (const name in delta) {
    const value = delta[name];
    if (name === 'tool_calls' && Array.isArray(value)) calls.addDelta(value);
    else if (name === 'function_call' && isRecord(value)) mergeCalled(message, name, value);
    else mergeField(message, name, value, DELTA);
  }
}

/**
 * Adds a message that came without a delta: a whole response, or the last chunk of a server that repeats the whole
 * message there.
 *
 * @returns The part of it that is new.
 */
function addMessage(choice: PendingChoice, message: Fields): Fields {
  if (isEmpty(choice)) {
    const { tool_calls, ...rest } = message;
    choice.isWhole = true;
    addDelta(choice, rest);
    if (Array.isArray(tool_calls)) choice.calls.addWhole(tool_calls);
    if (Array.isArray(tool_calls) && tool_calls.length === 0) choice.message.tool_calls = [];
    return message;
  }
  const added = missingIn(choice, message);
  for (const name of ['content', 'reasoning_content', 'reasoning', 'refusal']) {
    const before = choice.message[name];
    const value = message[name];
    if (typeof value !== 'string' || typeof before !== 'string' || before === '') continue;
    added[name] = value.startsWith(before) ? value.slice(before.length) : value;
  }
  addDelta(choice, added);
  return added;
}

/** The fields of a message that the deltas did not have. */
function missingIn({ message, calls }: PendingChoice, other: Fields): Fields {
  const missing = Object.entries(other).filter(([name]) => {
    if (name === 'role') return false;
    if (name === 'tool_calls') return calls.length === 0;
    const value = message[name];
    return value === undefined || value === null || value === '';
  });
  return Object.fromEntries(missing);
}

function messageOf(
  choice: PendingChoice,
  seed: string,
  isComplete: boolean,
): { role: 'assistant'; content: string | null } {
  const { message, calls, finishReason, beside } = choice;
  if (beside !== undefined) addDelta(choice, missingIn(choice, beside));
  const { content, ...fields } = toPlain(message) as Fields;
  const kind = finishKind(finishReason ?? 'stop');
  const text = typeof content === 'string' ? content : null;
  // Streams begin with an empty text, also when there is none in the end.
  const isNoText = text === '' && !choice.isWhole && (hasReasoning(message) || hasOutput(choice));
  return {
    ...fields,
    role: 'assistant',
    content: isNoText ? null : text,
    ...(calls.length > 0 && { tool_calls: calls.build(seed, isComplete && kind === 'finished') }),
  };
}

function hasReasoning({ reasoning_content, reasoning, thinking }: Fields): boolean {
  return [reasoning_content, reasoning, thinking].some(isPresent);
}

/** Whether a choice has begun with anything but reasoning. */
function hasOutput({ message, calls }: Pick<PendingChoice, 'message' | 'calls'>): boolean {
  const { content, refusal, function_call, audio } = message;
  return calls.length > 0 || [content, refusal, function_call, audio].some(isPresent);
}

function isOutputOnly(delta: Fields | undefined): boolean {
  if (delta === undefined || hasReasoning(delta)) return false;
  return [delta.content, delta.refusal, delta.tool_calls].some(isPresent);
}

/** Whether nothing of a choice has arrived, apart from its role. */
function isEmpty(choice: PendingChoice): boolean {
  return !hasReasoning(choice.message) && !hasOutput(choice);
}

function isPresent(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return value !== undefined && value !== null && value !== '';
}
