import type { PartialCompletion } from '../errors/index.ts';
import { isRecord, scalarText } from '../internal/json.ts';
import { finishKind } from './finish-reason.ts';
import { mergeField, mergeFields } from './merge.ts';
import { type Fields, type NormalChoice, type NormalChunk, TEXTS } from './normalize.ts';
import { mergeCalled, ToolCallList } from './tool-call-list.ts';

const REASONING = ['reasoning_content', 'reasoning', 'thinking'];
const OUTPUT = ['content', 'refusal', 'tool_calls', 'function_call', 'audio'];

/** The fields of a choice that need special handling. */
const CHOICE_FIELDS = new Set(['index', 'delta', 'message', 'finish_reason']);

/** A choice that is being assembled. */
class PendingChoice {
  readonly index: number;
  /** Other fields of the choice, such as `logprobs`. */
  readonly fields: Fields = {};
  readonly #message: Fields = {};
  readonly #calls = new ToolCallList();
  #finishReason: string | null = null;
  /** Whether the last output was an audio delta with only `expires_at`. Such a delta ends the audio. */
  #isAudioOver = false;
  /** Whether the choice arrived as a full `message` instead of deltas. */
  #isWhole = false;
  /** The full `message` that arrived in addition to deltas. */
  readonly #beside: Fields = {};

  constructor(index: number) {
    this.index = index;
  }

  /** OpenAI's audio models send no finish reason, so the end of the audio counts as `stop`. */
  get finishReason(): string | null {
    return this.#finishReason ?? (this.#isAudioOver ? 'stop' : null);
  }

  get isEmpty(): boolean {
    return ![...REASONING, ...OUTPUT].some((name) => this.has(name));
  }

  has(name: string): boolean {
    if (name === 'tool_calls') return this.#calls.length > 0;
    return Object.hasOwn(this.#message, name) && isPresent(this.#message[name]);
  }

  /** Adds a choice from a chunk. @returns The delta that readers see. */
  add(choice: NormalChoice): Fields {
    const { delta = {}, message, finish_reason } = choice;
    for (const name in choice) {
      if (!CHOICE_FIELDS.has(name)) mergeField(this.fields, name, choice[name], 'choice');
    }
    this.#finishReason = finish_reason ?? this.#finishReason;
    let added = delta;
    if (message !== undefined && Object.keys(delta).length === 0) {
      // This is a whole response, or a final chunk that repeats the full message.
      this.#isWhole = this.isEmpty;
      added = this.#isWhole ? message : this.#newFields(message);
    }
    if (added !== message && message !== undefined) mergeFields(this.#beside, message, 'chunk');
    this.#addDelta(added);
    const { audio } = this.#message;
    if (audio && hasAny(added, OUTPUT)) this.#isAudioOver = isEndOfAudio(added.audio, audio);
    return added;
  }

  build(seed: string, isComplete: boolean): PartialCompletion['choices'][number] {
    for (const [name, value] of Object.entries(this.#beside)) {
      if (!this.has(name) && name !== 'role') this.#addDelta({ [name]: value });
    }
    const { content, ...message } = this.#message;
    // Streams start with an empty `content`, even if no text follows.
    const isText = typeof content === 'string' && (content !== '' || this.#isWhole || this.isEmpty);
    const isKnown = this.#isWhole || this.finishReason !== null;
    const isFinished = isComplete && isKnown && finishKind(this.finishReason) === 'finished';
    const calls = this.#calls.build(`${seed} ${this.index}`, isFinished);
    return {
      ...this.fields,
      index: this.index,
      message: {
        ...message,
        role: 'assistant',
        content: isText ? content : null,
        ...(calls !== undefined && { tool_calls: calls }),
      },
      finish_reason: this.finishReason,
    };
  }

  #addDelta(delta: Fields): void {
    for (const name in delta) {
      const value = delta[name];
      if (name === 'tool_calls') {
        if (Array.isArray(value)) this.#calls.add(value, this.#isWhole);
      } else if (name === 'function_call' && isRecord(value)) mergeCalled(this.#message, name, value);
      else mergeField(this.#message, name, value, 'delta');
    }
  }

  /** Returns what the deltas lack compared with a full message: missing fields, and the rest of partial strings. */
  #newFields(message: Fields): Fields {
    const added: Fields = {};
    for (const [name, value] of Object.entries(message)) {
      const before = this.has(name) ? this.#message[name] : '';
      const isText = TEXTS.includes(name) && typeof value === 'string' && typeof before === 'string';
      if (isText) added[name] = value.startsWith(before) ? value.slice(before.length) : value;
      else if (!this.has(name)) added[name] = value;
    }
    return added;
  }
}

/** Assembles a completion from normalized chunks and preserves every field. A whole response counts as one chunk. */
export class CompletionAccumulator {
  readonly #requested: number;
  readonly #fields: Fields = {};
  readonly #choices = new Map<number, PendingChoice>();
  #first: PendingChoice | undefined;
  /** Other indices that the server uses for the first choice. */
  readonly #aliases = new Set<number>();

  /** @param requested - Number of requested choices. */
  constructor(requested: number) {
    this.#requested = requested;
  }

  get hasChoices(): boolean {
    return this.#first !== undefined;
  }

  /** Index of the choice whose text `textStream` yields. */
  get firstIndex(): number {
    return this.#requested > 1 ? 0 : (this.#first?.index ?? 0);
  }

  /** Whether any choice has a finish reason. */
  get hasFinished(): boolean {
    return [...this.#choices.values()].some(({ finishReason }) => finishReason !== null);
  }

  /** Whether all requested choices have a finish reason. */
  get isFinished(): boolean {
    const unfinished = [...this.#choices.values()].filter(({ finishReason }) => finishReason === null);
    const finished = this.#choices.size - unfinished.length;
    return finished >= this.#requested && unfinished.every(({ isEmpty }) => isEmpty);
  }

  /** Adds a chunk. Sets the `index` and `delta` of its choices to the values that readers see. */
  add(chunk: NormalChunk): void {
    for (const name in chunk) {
      const value = chunk[name];
      if (name === 'choices' || name === 'obfuscation' || value === this.#fields[name]) continue;
      if (name !== 'created' || value !== 0 || !this.#fields.created)
        mergeField(this.#fields, name, value, 'chunk');
    }
    let previous: PendingChoice | undefined;
    for (const choice of chunk.choices) {
      let pending = this.#pendingFor(choice);
      // Some servers send index 0 for every choice of a whole response.
      if (pending === previous && choice.message && !this.#isPartOfFirst(choice.message)) {
        pending = this.#begin(Math.max(...this.#choices.keys()) + 1);
      }
      previous = pending;
      choice.index = pending.index;
      choice.delta = pending.add(choice);
    }
  }

  /** Builds the completion, or the part received before a failure. No chunks may be added after this call. */
  build(isComplete: boolean): PartialCompletion {
    const { object, ...fields } = this.#fields;
    const choices = [...this.#choices.values()].toSorted((a, b) => a.index - b.index);
    return {
      ...fields,
      object: object && object !== 'chat.completion.chunk' ? object : 'chat.completion',
      choices: choices.map((choice) => choice.build(scalarText(fields.id), isComplete)),
    };
  }

  #pendingFor({ index, delta, message }: NormalChoice): PendingChoice {
    const pending = this.#choices.get(index);
    const first = this.#first;
    if (first === undefined || pending === first) return pending ?? this.#begin(index);
    if (this.#aliases.has(index)) return first;
    const isPart = pending?.isEmpty !== false && this.#isPartOfFirst(delta ?? message ?? {});
    if (!isPart) return pending ?? this.#begin(index);
    this.#choices.delete(index);
    this.#aliases.add(index);
    return first;
  }

  /**
   * Whether the output of another choice belongs to the first choice. Some servers send the reasoning, text and tool
   * calls of a single requested choice as separate choices.
   */
  #isPartOfFirst(added: Fields): boolean {
    const first = this.#first;
    if (this.#requested > 1 || !first || first.isEmpty || hasAny(added, REASONING)) return false;
    const output = OUTPUT.filter((name) => isPresent(added[name]));
    return output.length > 0 && !output.some((name) => first.has(name));
  }

  #begin(index: number): PendingChoice {
    const choice = new PendingChoice(index);
    this.#first ??= choice;
    this.#choices.set(index, choice);
    return choice;
  }
}

function hasAny(fields: Fields, names: readonly string[]): boolean {
  return names.some((name) => isPresent(fields[name]));
}

function isEndOfAudio(part: unknown, audio: unknown): boolean {
  if (!isRecord(part) || !isRecord(audio) || !isPresent(part.expires_at)) return false;
  return ['id', 'data', 'transcript'].every((name) => isPresent(audio[name]) && !isPresent(part[name]));
}

function isPresent(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null && value !== '';
}
