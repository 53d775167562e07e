import { isObject } from '../http.ts';
import { HEXADECIMAL, type RandomText } from '../random.ts';
import {
  type ChatRequest,
  type EmulatedChoice,
  type EmulatedCompletion,
  type EmulatedDelta,
  type EmulatedReply,
  type EmulatedToolCall,
  type EmulatedToolCallDelta,
  isCompletion,
  isDelta,
  isIterable,
  type Reply,
} from './reply.ts';
import { CHARACTERS_PER_TOKEN, promptTokens, TokenMeter } from './tokens.ts';

/** How a model server writes its responses. */
interface Dialect {
  readonly reasoningField: string;
  /** Whether the first delta of a tool call has empty `arguments`, as OpenAI's does and vLLM's does not. */
  readonly emptyArguments: boolean;
}

interface CompletionOptions {
  readonly reply: Reply;
  readonly request: ChatRequest;
  /** `created` is in seconds since 1970. */
  readonly head: { readonly id: string; readonly created: number; readonly model: string };
  readonly dialect: Dialect;
  readonly isChat: boolean;
  /** Context length of the model, in tokens. */
  readonly contextLength: number;
  readonly randomText: RandomText;
}

/** A reply whose choices are all the same. */
type UniformReply = Exclude<Reply, EmulatedCompletion>;

/** A choice, or its part of a chunk, as it is on the wire. */
interface WireChoice {
  readonly index: number;
  readonly finish_reason: string | null;
  readonly [field: string]: unknown;
}

type Fields = Readonly<Record<string, unknown>>;

/** Number of chunks that a text is cut into for a stream. */
const CHUNKS = 4;

const FINGERPRINT = 'vllm-0.32.0-1ea06c84';

/** The completion of one reply, in the form of vLLM 0.32: as one object or as chunks. Used once. */
export class Completion {
  readonly #options: CompletionOptions;
  readonly #output = new TokenMeter();
  readonly #reasoning = new TokenMeter();
  #finishReason: string | undefined;
  /** The stop string that ended the reply. */
  #stopReason: string | null = null;

  constructor(options: CompletionOptions) {
    this.#options = options;
  }

  /** @param signal - Ends a reply that is still being produced. */
  async whole(signal: AbortSignal): Promise<object> {
    const { reply, head, isChat } = this.#options;
    const choices = isCompletion(reply)
      ? reply.choices.map(completeChoice)
      : await this.#collect(reply, signal);
    for (const { message } of choices) this.#output.addMessage(message as Fields);
    const { usage = this.#usage({ prompt_tokens_details: null }), ...fields } = this.#fields();
    return {
      id: head.id,
      object: isChat ? 'chat.completion' : 'text_completion',
      created: head.created,
      model: head.model,
      choices: isChat
        ? choices
        : choices.map(({ message, ...rest }) => textChoice(rest, (message as Fields).content)),
      service_tier: null,
      system_fingerprint: FINGERPRINT,
      usage,
      prompt_logprobs: null,
      prompt_token_ids: null,
      prompt_text: null,
      kv_transfer_params: null,
      ec_transfer_params: null,
      metrics: null,
      ...fields,
    };
  }

  /** The chunks of a stream. */
  async *chunks(): AsyncGenerator<object, void, undefined> {
    const { reply, request, head, isChat } = this.#options;
    const { usage, ...fields } = this.#fields();
    const options = isObject(request.stream_options) ? request.stream_options : {};
    const chunk = (choices: readonly object[], more: object): object => ({
      id: head.id,
      object: isChat ? 'chat.completion.chunk' : 'text_completion',
      created: head.created,
      model: head.model,
      choices,
      ...(options.continuous_usage_stats === true && { usage: this.#usage() }),
      ...more,
      ...fields,
    });
    let first: object = { prompt_token_ids: null, prompt_text: null };
    for await (const choice of isCompletion(reply) ? completionDeltas(reply) : this.#deltas(reply)) {
      const { delta, ...rest } = choice as WireChoice & { readonly delta: Fields };
      this.#output.addMessage(delta);
      const isLast = rest.finish_reason !== null;
      if (!isChat && !isLast && !delta.content) continue;
      const part = isChat ? choice : textChoice(rest, delta.content);
      yield chunk([part], { ...first, ...(isLast && { system_fingerprint: FINGERPRINT }) });
      first = {};
    }
    if (options.include_usage === true) {
      yield chunk([], { usage: usage ?? this.#usage(), system_fingerprint: FINGERPRINT });
    }
  }

  #usage(details: object = {}): object {
    const prompt = promptTokens(this.#options.request.messages);
    const completion = this.#output.tokens;
    return {
      prompt_tokens: prompt,
      total_tokens: prompt + completion,
      completion_tokens: completion,
      ...details,
      completion_tokens_details: { reasoning_tokens: this.#reasoning.tokens },
    };
  }

  /** Fields of a reply besides its choices. */
  #fields(): { readonly usage?: unknown } & Fields {
    const { reply } = this.#options;
    if (typeof reply === 'string' || isIterable(reply)) return {};
    if (!isCompletion(reply)) return reply.usage === undefined ? {} : { usage: reply.usage };
    const { choices: _, ...fields } = reply;
    return fields;
  }

  get #indexes(): number[] {
    const { n } = this.#options.request;
    return Array.from({ length: typeof n === 'number' ? n : 1 }, (_, index) => index);
  }

  async #collect(reply: UniformReply, signal: AbortSignal): Promise<WireChoice[]> {
    const { dialect, isChat } = this.#options;
    let reasoning: string | null = null;
    let content: string | null = null;
    const calls: { id: string | undefined; name: string; arguments: string }[] = [];
    for await (const part of this.#limited(reply)) {
      signal.throwIfAborted();
      if (part.reasoning !== undefined) reasoning = (reasoning ?? '') + part.reasoning;
      if (part.content !== undefined) content = (content ?? '') + part.content;
      for (const { index = 0, id, name = '', arguments: text = '' } of part.toolCalls ?? []) {
        const call = calls[index] ?? { id, name: '', arguments: '' };
        calls[index] = { id: call.id ?? id, name: call.name + name, arguments: call.arguments + text };
      }
    }
    this.#reasoning.add(reasoning ?? '');
    const wireCalls = (): object[] =>
      calls.map(({ id = this.#newCallId(), ...call }) => ({ id, type: 'function', function: call }));
    return this.#indexes.map((index) => ({
      index,
      message: {
        role: 'assistant',
        content,
        refusal: refusalOf(reply) ?? null,
        annotations: null,
        audio: null,
        function_call: null,
        ...(calls.length > 0 && { tool_calls: wireCalls() }),
        ...(isChat && { [dialect.reasoningField]: reasoning }),
      },
      logprobs: null,
      finish_reason: this.#finishReason ?? (calls.length > 0 ? 'tool_calls' : 'stop'),
      stop_reason: this.#stopReason,
      token_ids: null,
      routed_experts: null,
    }));
  }

  async *#deltas(reply: UniformReply): AsyncGenerator<WireChoice, void, undefined> {
    const { dialect } = this.#options;
    const indexes = this.#indexes;
    const deltas = (fields: object): WireChoice[] =>
      indexes.map((index) => ({
        index,
        delta: fields,
        logprobs: null,
        finish_reason: null,
        token_ids: null,
      }));
    const hasContent =
      typeof reply === 'string' ||
      isIterable(reply) ||
      deltasOf(reply).some(({ content }) => content !== undefined);
    const content = hasContent || !dialect.emptyArguments ? '' : null;
    for (const index of indexes) {
      yield { index, delta: { role: 'assistant', content }, logprobs: null, finish_reason: null };
    }
    const refusal = refusalOf(reply);
    if (refusal !== undefined) yield* deltas({ refusal });

    /** Tool calls that have begun. */
    const begun = new Set<number>();
    for await (const part of this.#limited(reply)) {
      this.#reasoning.add(part.reasoning ?? '');
      if (part.reasoning) yield* deltas({ [dialect.reasoningField]: part.reasoning });
      if (part.content) yield* deltas({ content: part.content });
      for (const call of part.toolCalls ?? []) {
        const isNew = !begun.has(call.index ?? 0);
        begun.add(call.index ?? 0);
        for (const index of indexes)
          yield {
            ...deltas({ content: null, tool_calls: [this.#callDelta(call, isNew)] })[0],
            index,
            finish_reason: null,
          };
      }
    }
    const finish_reason = this.#finishReason ?? (begun.size > 0 ? 'tool_calls' : 'stop');
    for (const index of indexes) {
      yield {
        index,
        delta: {},
        logprobs: null,
        finish_reason,
        stop_reason: this.#stopReason,
        token_ids: null,
      };
    }
  }

  #callDelta({ index = 0, id, name, arguments: text }: EmulatedToolCallDelta, isNew: boolean): object {
    const newId = isNew ? this.#newCallId() : undefined;
    const first = this.#options.dialect.emptyArguments && isNew ? '' : undefined;
    return JSON.parse(
      JSON.stringify({
        id: id ?? newId,
        type: isNew ? 'function' : undefined,
        index,
        function: { name, arguments: text ?? first },
      }),
    );
  }

  /** Clients tell the calls of several rounds apart by their ids, so each one is unique. */
  #newCallId(): string {
    return `chatcmpl-tool-${this.#options.randomText(HEXADECIMAL, 16)}`;
  }

  /** The chunks of a reply within the request's `stop`, its limit of tokens and the context of the model. */
  async *#limited(reply: UniformReply): AsyncGenerator<EmulatedDelta, void, undefined> {
    const { request, contextLength } = this.#options;
    const stop = [request.stop ?? []]
      .flat()
      .map(String)
      .filter((text) => text !== '');
    const requested = request.max_completion_tokens ?? request.max_tokens;
    const available = contextLength - promptTokens(request.messages);
    let budget =
      Math.min(typeof requested === 'number' ? requested : available, available) * CHARACTERS_PER_TOKEN;
    const take = (text: string | undefined): string | undefined => {
      if (text === undefined) return undefined;
      const characters = [...text];
      const taken = characters.slice(0, Math.max(0, budget));
      budget -= characters.length;
      return taken.join('');
    };
    const normalized = typeof reply === 'string' ? { content: reply } : reply;
    if (!isIterable(normalized)) this.#finishReason = normalized.finishReason;
    /** The end of the content so far that may begin a stop string. */
    let held = '';
    for await (const part of isIterable(normalized) ? checked(normalized) : deltasOf(normalized)) {
      let { content } = part;
      let stopString: string | undefined;
      if (content !== undefined && stop.length > 0) {
        held += content;
        stopString = firstOf(stop, held);
        const end =
          stopString === undefined ? held.length - partialLength(stop, held) : held.indexOf(stopString);
        content = held.slice(0, end);
        held = held.slice(end);
      }
      yield {
        reasoning: take(part.reasoning),
        content: take(content),
        toolCalls: part.toolCalls?.map((call) => ({ ...call, arguments: take(call.arguments) })),
      };
      if (budget < 0) break;
      if (stopString === undefined) continue;
      this.#finishReason = 'stop';
      this.#stopReason = stopString;
      return;
    }
    if (held !== '') yield { content: take(held) };
    if (budget < 0) this.#finishReason = 'length';
  }
}

/** The chunks of a reply that is known from the start. */
function deltasOf({ chunks, reasoning = '', content, toolCalls = [] }: EmulatedReply): EmulatedDelta[] {
  if (chunks !== undefined)
    return chunks.map((chunk) => (typeof chunk === 'string' ? { content: chunk } : chunk));
  return [
    ...cut(reasoning).map((text) => ({ reasoning: text })),
    ...(content === '' ? [{ content }] : cut(content ?? '').map((text) => ({ content: text }))),
    ...toolCalls.flatMap(({ name, id, arguments: given = '{}' }, index) => [
      { toolCalls: [{ index, name, id }] },
      ...cut(argumentsOf(given)).map((text) => ({ toolCalls: [{ index, arguments: text }] })),
    ]),
  ];
}

function argumentsOf(given: NonNullable<EmulatedToolCall['arguments']>): string {
  return typeof given === 'string' ? given : JSON.stringify(given);
}

function refusalOf(reply: UniformReply): string | undefined {
  return typeof reply === 'string' || isIterable(reply) ? undefined : reply.refusal;
}

async function* checked(chunks: AsyncIterable<unknown>): AsyncGenerator<EmulatedDelta, void, undefined> {
  for await (const chunk of chunks) {
    if (!isDelta(chunk))
      throw new TypeError('createEmulator: an iterable `reply` must yield strings or deltas.');
    yield typeof chunk === 'string' ? { content: chunk } : chunk;
  }
}

/** The stop string that occurs first. */
function firstOf(stop: readonly string[], text: string): string | undefined {
  const found = stop.filter((each) => text.includes(each));
  return found.sort((a, b) => text.indexOf(a) - text.indexOf(b))[0];
}

/** Length of the longest end of a text that begins a stop string. */
function partialLength(stop: readonly string[], text: string): number {
  const longest = Math.max(...stop.map((each) => each.length)) - 1;
  for (let length = Math.min(longest, text.length); length > 0; length--) {
    if (stop.some((each) => each.startsWith(text.slice(-length)))) return length;
  }
  return 0;
}

/** Cuts a text into chunks, never inside a character. */
function cut(text: string): string[] {
  const characters = [...text];
  const size = Math.max(1, Math.ceil(characters.length / CHUNKS));
  const starts = Array.from({ length: Math.ceil(characters.length / size) }, (_, chunk) => chunk * size);
  return starts.map((start) => characters.slice(start, start + size).join(''));
}

function completeChoice(choice: EmulatedChoice, position: number): WireChoice {
  const { index = position, message, finish_reason = 'stop', ...fields } = choice;
  return { index, message: { role: 'assistant', ...message }, finish_reason, ...fields };
}

/** The chunks of a completion: one for each field of its messages, texts cut. */
function* completionDeltas({ choices }: EmulatedCompletion): Generator<WireChoice, void, undefined> {
  for (const { index, message, finish_reason, ...fields } of choices.map(completeChoice)) {
    const { role, ...parts } = message as Fields;
    const content = typeof parts.content === 'string' ? '' : null;
    yield { index, delta: { role, content }, finish_reason: null };
    for (const [field, value] of Object.entries(parts)) {
      const indexed = field === 'tool_calls' && Array.isArray(value);
      const pieces =
        typeof value === 'string'
          ? cut(value)
          : indexed
            ? value.map((call, at) => [{ index: at, ...call }])
            : [value];
      for (const piece of pieces) {
        if (piece !== null && piece !== undefined)
          yield { index, delta: { [field]: piece }, finish_reason: null };
      }
    }
    yield { ...fields, index, delta: {}, finish_reason };
  }
}

function textChoice({ index, finish_reason, stop_reason = null }: WireChoice, content: unknown): object {
  return {
    index,
    text: typeof content === 'string' ? content : '',
    logprobs: null,
    finish_reason,
    stop_reason,
  };
}
