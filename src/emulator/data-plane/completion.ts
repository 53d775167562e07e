import { isIterable, isObject } from '../http.ts';
import { HEXADECIMAL, type RandomText } from '../random.ts';
import { cut, type Ending, limitedPieces, type Piece } from './pieces.ts';
import {
  type ChatRequest,
  type EmulatedChoice,
  type EmulatedChunk,
  type EmulatedCompletion,
  type EmulatedToolCallDelta,
  isCompletion,
  isWireStream,
  type Reply,
} from './reply.ts';
import { promptTokens, UsageMeter } from './tokens.ts';

interface CompletionOptions {
  readonly reply: Reply;
  readonly request: ChatRequest;
  /** `created` is in seconds since 1970. */
  readonly head: { readonly id: string; readonly created: number; readonly model: string };
  readonly reasoningField: string;
  readonly isChat: boolean;
  /** Context length of the model, in tokens. */
  readonly contextLength: number;
  readonly randomText: RandomText;
}

type Fields = Readonly<Record<string, unknown>>;

/** A part of a choice, as it is in a chunk on the wire. */
interface WireChoice {
  readonly index: number;
  readonly delta: Fields;
  readonly finish_reason: string | null;
  readonly [field: string]: unknown;
}

/** A choice whose deltas are put together. */
interface WholeChoice {
  readonly message: Record<string, unknown>;
  readonly rest: Record<string, unknown>;
}

const FINGERPRINT = 'vllm-0.32.0-1ea06c84';

/** The completion of one reply, in the form of vLLM 0.32: as one object or as chunks. Used once. */
export class Completion {
  readonly #options: CompletionOptions;
  readonly #meter: UsageMeter;

  constructor(options: CompletionOptions) {
    this.#options = options;
    this.#meter = new UsageMeter(promptTokens(options.request.messages));
  }

  /** @param signal - Ends a reply that is still being produced. */
  async whole(signal: AbortSignal): Promise<object> {
    const { reply, isChat, reasoningField } = this.#options;
    if (isCompletion(reply)) {
      const choices = reply.choices.map(completeChoice);
      this.#meter.read({ choices });
      const wire = isChat
        ? choices
        : choices.map(({ message, ...rest }) => textChoice(rest, message.content));
      return this.#withHead({ ...reply, choices: wire, usage: reply.usage ?? this.#usage() });
    }
    const parts: WholeChoice[] = [];
    let { usage } = this.#given;
    for await (const chunk of this.#chunks()) {
      signal.throwIfAborted();
      usage = chunk.usage ?? usage;
      for (const choice of chunk.choices) accumulate(parts, choice as WireChoice);
    }
    const choices = parts.map(({ message, rest }, index) => {
      const { tool_calls, [reasoningField]: reasoning = null, ...fields } = message;
      const nulls = { content: null, refusal: null, annotations: null, audio: null, function_call: null };
      const choice = {
        index,
        message: { role: 'assistant', ...nulls, ...fields, tool_calls, [reasoningField]: reasoning },
        ...{ logprobs: null, finish_reason: null, stop_reason: null, token_ids: null },
        ...rest,
      };
      return isChat ? { ...choice, routed_experts: null } : textChoice(choice, fields.content);
    });
    return this.#withHead({
      choices,
      service_tier: null,
      system_fingerprint: FINGERPRINT,
      usage: usage ?? this.#usage({ prompt_tokens_details: null }),
      prompt_logprobs: null,
      prompt_token_ids: null,
      prompt_text: null,
      kv_transfer_params: null,
      ec_transfer_params: null,
      metrics: null,
    });
  }

  /** The chunks of a stream. */
  async *chunks(): AsyncGenerator<object, void, undefined> {
    const { isChat } = this.#options;
    for await (const chunk of this.#chunks()) {
      const choices = isChat
        ? chunk.choices
        : chunk.choices.map(({ delta, ...rest }) => textChoice(rest, (delta as Fields).content));
      yield this.#withHead({ ...chunk, choices });
    }
  }

  async *#chunks(): AsyncGenerator<EmulatedChunk, void, undefined> {
    const { reply, request, isChat } = this.#options;
    if (isWireStream(reply)) {
      for (const chunk of reply.chunks) {
        this.#meter.read(chunk);
        yield chunk;
      }
      return;
    }
    const { usage, ...fields } = this.#given;
    const options = isObject(request.stream_options) ? request.stream_options : {};
    let first: object = { prompt_token_ids: null, prompt_text: null };
    for await (const choice of isCompletion(reply) ? completionDeltas(reply) : this.#choices(reply)) {
      this.#meter.read({ choices: [choice] });
      const isLast = choice.finish_reason !== null;
      if (!isChat && !isLast && !choice.delta.content) continue;
      yield {
        choices: [choice],
        ...(options.continuous_usage_stats === true && { usage: this.#usage() }),
        ...first,
        ...(isLast && { system_fingerprint: FINGERPRINT }),
        ...fields,
      };
      first = {};
    }
    if (options.include_usage !== true) return;
    yield { choices: [], usage: usage ?? this.#usage(), system_fingerprint: FINGERPRINT, ...fields };
  }

  /** Fields of a reply that the emulator does not fill in. */
  get #given(): Fields {
    const { reply } = this.#options;
    if (typeof reply === 'string' || isIterable(reply)) return {};
    if (!isCompletion(reply)) return { usage: reply.usage };
    const { choices: _, ...fields } = reply;
    return fields;
  }

  /** Adds the fields that every completion and every chunk begin with, unless they are given. */
  #withHead(body: Fields): object {
    const { head, isChat, request } = this.#options;
    const kind = request.stream === true ? 'chat.completion.chunk' : 'chat.completion';
    const { id, created, model } = head;
    const fields = { id, object: isChat ? kind : 'text_completion', created, model };
    const missing = Object.entries(fields).filter(([name]) => !Object.hasOwn(body, name));
    return { ...Object.fromEntries(missing), ...body };
  }

  #usage(details: object = {}): object {
    const { input, output, total } = this.#meter.usage;
    return {
      prompt_tokens: input,
      total_tokens: total,
      completion_tokens: output,
      ...details,
      completion_tokens_details: { reasoning_tokens: this.#meter.reasoning },
    };
  }

  /** The choices of a stream, one for each chunk. */
  async *#choices(reply: Exclude<Reply, EmulatedCompletion>): AsyncGenerator<WireChoice, void, undefined> {
    const { request, contextLength } = this.#options;
    const indexes = Array.from({ length: Number(request.n ?? 1) }, (_, index) => index);
    const each = (delta: () => Fields, rest: object): WireChoice[] =>
      indexes.map((index) => ({ index, delta: delta(), logprobs: null, finish_reason: null, ...rest }));
    const ending: Ending = { stopReason: null };
    const begun = new Set<number>();
    let lastDelta = (): Fields => ({});

    yield* each(() => ({ role: 'assistant', content: '' }), {});
    for await (const piece of limitedPieces(reply, request, contextLength, ending)) {
      const deltas = this.#deltasOf(piece, begun);
      if (piece.finishReason !== undefined) {
        ending.finishReason = piece.finishReason;
        lastDelta = deltas.pop() ?? lastDelta;
      }
      for (const delta of deltas) yield* each(delta, { token_ids: null });
      if (piece.finishReason !== undefined) break;
    }
    yield* each(lastDelta, {
      finish_reason: ending.finishReason ?? (begun.size > 0 ? 'tool_calls' : 'stop'),
      stop_reason: ending.stopReason,
      token_ids: null,
    });
  }

  /** Functions, because each choice has its own ids of tool calls. @param begun - Tool calls that have begun. */
  #deltasOf({ reasoning, content, refusal, toolCalls = [] }: Piece, begun: Set<number>): (() => Fields)[] {
    const texts = { refusal, [this.#options.reasoningField]: reasoning, content };
    const given = Object.entries(texts).filter(([, text]) => text !== undefined);
    return [
      ...given.map(([name, text]) => () => ({ [name]: text })),
      ...toolCalls.map((call) => {
        const isNew = !begun.has(call.index ?? 0);
        begun.add(call.index ?? 0);
        return () => ({ content: null, tool_calls: [this.#callDelta(call, isNew)] });
      }),
    ];
  }

  /** vLLM's first delta of a tool call has no `arguments`. */
  #callDelta({ index = 0, id, name, arguments: text }: EmulatedToolCallDelta, isNew: boolean): object {
    // Clients tell the calls of several rounds apart by their ids, so each one is unique.
    const newId = isNew ? `chatcmpl-tool-${this.#options.randomText(HEXADECIMAL, 16)}` : undefined;
    return {
      id: id ?? newId,
      type: isNew ? 'function' : undefined,
      index,
      function: { name, arguments: text },
    };
  }
}

/** Adds a part of a choice to what came before. */
function accumulate(choices: WholeChoice[], { index, delta, ...rest }: WireChoice): void {
  const choice = choices[index] ?? { message: {}, rest: {} };
  choices[index] = choice;
  Object.assign(choice.rest, rest);
  const { role, tool_calls: calls, ...fields } = delta;
  for (const [name, value] of Object.entries(fields)) {
    const previous = choice.message[name];
    // The content of the first delta is empty even if the message has none.
    if (value === null || value === undefined || (role !== undefined && value === '')) continue;
    choice.message[name] = typeof previous === 'string' ? previous + String(value) : value;
  }
  if (!Array.isArray(calls)) return;
  const message = choice.message as { tool_calls?: Record<string, unknown>[] };
  message.tool_calls ??= [];
  for (const { index: position = 0, function: called, ...call } of calls) {
    const { name = '', arguments: text = '' } = called ?? {};
    const known = message.tool_calls[position] ?? { ...call, function: { name: '', arguments: '' } };
    message.tool_calls[position] = known;
    const whole = known.function as { name: string; arguments: string };
    whole.name += name;
    whole.arguments += text;
  }
}

function completeChoice(choice: EmulatedChoice, position: number): EmulatedChoice & { message: Fields } {
  const { index = position, message, finish_reason = 'stop' } = choice;
  return { ...choice, index, message: { role: 'assistant', ...message }, finish_reason };
}

/** The deltas of a completion: one for each field of its messages, texts cut. */
function* completionDeltas({ choices }: EmulatedCompletion): Generator<WireChoice, void, undefined> {
  for (const { index = 0, message, finish_reason = 'stop', ...fields } of choices.map(completeChoice)) {
    const { role, ...parts } = message;
    const content = typeof parts.content === 'string' ? '' : null;
    yield { index, delta: { role, content }, finish_reason: null };
    for (const [name, value] of Object.entries(parts)) {
      const calls = name === 'tool_calls' && Array.isArray(value) ? value : undefined;
      const pieces =
        calls?.map((call, position) => [{ index: position, ...call }]) ??
        (typeof value === 'string' ? cut(value) : [value]);
      for (const piece of pieces) {
        if (piece !== null && piece !== undefined)
          yield { index, delta: { [name]: piece }, finish_reason: null };
      }
    }
    yield { ...fields, index, delta: {}, finish_reason };
  }
}

/** A choice of the endpoint without chat. */
function textChoice(
  { index, finish_reason, stop_reason = null }: Fields,
  content: unknown,
): { delta?: never } {
  const text = typeof content === 'string' ? content : '';
  return { index, text, logprobs: null, finish_reason, stop_reason } as object;
}
