import { isIterable } from '../http.ts';
import { HEXADECIMAL, type RandomText } from '../random.ts';
import { isCompletion, isWire, limitedPieces, type Piece, type ScriptedReply } from './pieces.ts';
import type {
  ChatRequest,
  EmulatedChoice,
  EmulatedChunk,
  EmulatedCompletion,
  EmulatedReply,
  EmulatedToolCallDelta,
  Reply,
} from './reply.ts';
import { promptTokens, UsageMeter } from './tokens.ts';

/** A request for one prompt, and the reply to it. */
export interface Prompt {
  readonly request: ChatRequest;
  readonly reply: Reply;
}

/** The inherited fields come from the first prompt with a reply in wire format, or else from the first prompt. */
interface CompletionOptions extends Prompt {
  /** A chat completion has only one prompt. */
  readonly prompts: readonly Prompt[];
  /** `created` is in seconds since 1970. */
  readonly head: { readonly id: string; readonly created: number; readonly model: string };
  readonly reasoningField: string;
  readonly isChat: boolean;
  /** Context length of the model, in tokens. */
  readonly contextLength: number;
  readonly randomText: RandomText;
}

type Fields = Readonly<Record<string, unknown>>;

/** A choice in a chunk, in wire format. */
interface WireChoice {
  readonly index: number;
  readonly delta: Fields;
  readonly finish_reason: string | null;
  readonly [field: string]: unknown;
}

/** A choice assembled from deltas. */
interface WholeChoice {
  readonly index: number;
  readonly message: Record<string, unknown> & {
    tool_calls?: { function: Record<'name' | 'arguments', string> }[];
  };
  readonly rest: Record<string, unknown>;
}

const FINGERPRINT = 'vllm-0.32.0-1ea06c84';

/** The completion of one request in the format of vLLM 0.32, as a single object or as chunks. Use it only once. */
export class Completion {
  readonly #options: CompletionOptions;
  readonly #meter: UsageMeter;

  constructor(options: CompletionOptions) {
    this.#options = options;
    this.#meter = new UsageMeter(promptTokens(options.prompts.flatMap(({ request }) => request.messages)));
  }

  /** Returns the reply as a single completion. @param signal - Stops a reply that is still being generated. */
  async whole(signal: AbortSignal): Promise<object> {
    const { reply, isChat, reasoningField } = this.#options;
    if (isCompletion(reply)) {
      const choices = reply.choices.map(completeChoice);
      this.#meter.read({ choices });
      const wire = isChat ? choices : choices.map((choice) => textChoice(choice, choice.message.content));
      // Keep `null`, because servers that do not count tokens send it.
      const usage = reply.usage === undefined ? this.#usage() : reply.usage;
      return this.#withHead({ ...reply, choices: wire, usage });
    }
    const parts: WholeChoice[] = [];
    let usage: unknown;
    for await (const chunk of this.#wireChunks()) {
      signal.throwIfAborted();
      usage = chunk.usage ?? usage;
      for (const choice of chunk.choices) accumulate(parts, choice as WireChoice);
    }
    // The indexes may have gaps.
    const choices = Object.values(parts).map(({ index, message, rest }) => {
      const { tool_calls, [reasoningField]: reasoning = null, ...fields } = message;
      const nulls = { content: null, refusal: null, annotations: null, audio: null, function_call: null };
      const choice = {
        index,
        message: { role: 'assistant', ...nulls, ...fields, tool_calls, [reasoningField]: reasoning },
        logprobs: null,
        finish_reason: null,
        stop_reason: null,
        token_ids: null,
        ...rest,
      };
      return isChat ? { ...choice, routed_experts: null } : textChoice(choice, fields.content);
    });
    return this.#withHead({
      choices,
      service_tier: null,
      system_fingerprint: FINGERPRINT,
      usage: usageOf(reply) ?? usage ?? this.#usage({ prompt_tokens_details: null }),
      prompt_logprobs: null,
      prompt_token_ids: null,
      prompt_text: null,
      kv_transfer_params: null,
      ec_transfer_params: null,
      metrics: null,
    });
  }

  /** Yields the chunks of a stream. */
  async *chunks(): AsyncGenerator<object, void, undefined> {
    const { isChat } = this.#options;
    for await (const chunk of this.#wireChunks()) {
      const choices = (chunk.choices as Partial<WireChoice>[]).map((choice) =>
        isChat ? choice : textChoice(choice, choice.delta?.content),
      );
      yield this.#withHead({ ...chunk, choices });
    }
  }

  async *#wireChunks(): AsyncGenerator<EmulatedChunk, void, undefined> {
    const { reply, request, isChat } = this.#options;
    if (isWire(reply) && !isCompletion(reply)) {
      for (const chunk of (reply as EmulatedReply).chunks as readonly EmulatedChunk[]) {
        this.#meter.read(chunk);
        yield chunk;
      }
      return;
    }
    const body: EmulatedCompletion = isCompletion(reply) ? reply : { choices: [], usage: usageOf(reply) };
    const { choices: _, usage, ...fields } = body;
    const { include_usage: hasUsage, continuous_usage_stats: isContinuous } = Object(request.stream_options);
    for await (const choice of isCompletion(reply) ? completionDeltas(reply) : this.#choices()) {
      this.#meter.read({ choices: [choice] });
      const isLast = choice.finish_reason !== null;
      if (!isChat && !isLast && !choice.delta.content) continue;
      yield {
        choices: [choice],
        ...(isContinuous === true && { usage: this.#usage() }),
        ...(choice.delta.role !== undefined && { prompt_token_ids: null, prompt_text: null }),
        ...(isLast && hasUsage !== true && { system_fingerprint: FINGERPRINT }),
        ...fields,
      };
    }
    if (hasUsage !== true) return;
    const reported = usage === undefined ? this.#usage() : usage;
    yield { choices: [], usage: reported, system_fingerprint: FINGERPRINT, ...fields };
  }

  /** Adds the fields common to all completions and chunks, unless `body` already has them. */
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

  /** Yields the choices of a stream, one for each chunk. */
  async *#choices(): AsyncGenerator<WireChoice, void, undefined> {
    for (const [position, { request, reply }] of this.#options.prompts.entries()) {
      const n = Number(request.n ?? 1);
      const indexes = Array.from({ length: n }, (_, index) => position * n + index);
      const each = (delta: () => Fields, rest: object): WireChoice[] =>
        indexes.map((index) => ({ index, delta: delta(), logprobs: null, finish_reason: null, ...rest }));
      const begun = new Set<number>();
      yield* each(() => ({ role: 'assistant', content: '' }), {});
      for await (const piece of limitedPieces(reply as ScriptedReply, request, this.#options.contextLength)) {
        const { finishReason, stopReason = null } = piece;
        const deltas = this.#deltasOf(piece, begun);
        const last = finishReason === undefined ? undefined : (deltas.pop() ?? (() => ({})));
        for (const delta of deltas) yield* each(delta, { token_ids: null });
        const end = { finish_reason: finishReason, stop_reason: stopReason, token_ids: null };
        if (last !== undefined) yield* each(last, end);
      }
    }
  }

  /** Returns a function per delta, so that each choice gets its own ids. @param begun - Indexes of the calls so far. */
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

  /** Converts a tool call delta to wire format. In vLLM, the first delta of a tool call has no `arguments`. */
  #callDelta({ index = 0, id, name, arguments: text }: EmulatedToolCallDelta, isNew: boolean): object {
    // Tool call ids must be unique, because clients use them to distinguish tool calls from different rounds.
    const newId = isNew ? `chatcmpl-tool-${this.#options.randomText(HEXADECIMAL, 16)}` : undefined;
    const type = isNew ? 'function' : undefined;
    return { id: id ?? newId, type, index, function: { name, arguments: text } };
  }
}

function usageOf(reply: Reply): unknown {
  return typeof reply === 'string' || isIterable(reply) ? undefined : reply.usage;
}

/** Merges a choice in a chunk into the choices assembled so far. */
function accumulate(choices: WholeChoice[], { index = 0, delta, ...rest }: Partial<WireChoice>): void {
  choices[index] ??= { index, message: {}, rest: {} };
  const { message } = choices[index];
  Object.assign(choices[index].rest, rest);
  const { role, tool_calls: calls, ...fields } = delta ?? {};
  for (const [name, value] of Object.entries(fields)) {
    // The first delta has an empty `content` even if the message has no content.
    if (value === null || (role !== undefined && value === '')) continue;
    message[name] = typeof message[name] === 'string' ? message[name] + String(value) : value;
  }
  for (const { index: position = 0, function: called, ...call } of Array.isArray(calls) ? calls : []) {
    message.tool_calls ??= [];
    const known = message.tool_calls[position] ?? { ...call, function: { name: '', arguments: '' } };
    message.tool_calls[position] = known;
    known.function.name += called?.name ?? '';
    known.function.arguments += called?.arguments ?? '';
  }
}

function completeChoice(choice: EmulatedChoice, position: number): EmulatedChoice & { message: Fields } {
  const { index = position, message, finish_reason = 'stop' } = choice;
  return { ...choice, index, message: { role: 'assistant', ...message }, finish_reason };
}

/** Yields two deltas for each choice of a completion: one with the message and one with the finish reason. */
function* completionDeltas({ choices }: EmulatedCompletion): Generator<WireChoice, void, undefined> {
  for (const choice of choices.map(completeChoice)) {
    const { index = 0, message, finish_reason = 'stop', ...fields } = choice;
    const { tool_calls: calls } = message;
    const numbered = Array.isArray(calls) && calls.map((call, position) => ({ index: position, ...call }));
    yield { index, delta: { ...message, ...(numbered && { tool_calls: numbered }) }, finish_reason: null };
    yield { ...fields, index, delta: {}, finish_reason };
  }
}

/** Converts a choice to the format of `/v1/completions`. */
function textChoice({ index, finish_reason, stop_reason = null }: Fields, content: unknown): object {
  const text = typeof content === 'string' ? content : '';
  return { index, text, logprobs: null, finish_reason, stop_reason };
}
