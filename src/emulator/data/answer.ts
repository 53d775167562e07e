import type { TokenUsage } from '../usage-ledger.ts';
import type { AnswerForm } from './answer-form.ts';
import { type CompleteChoice, completeChoice, type Delta, deltasOf, textDeltas } from './deltas.ts';
import { isCompletion, type NormalizedReply, requestedChoices } from './normalize-reply.ts';
import type { ChatRequest, EmulatedCompletion } from './reply.ts';
import { TokenMeter } from './token-meter.ts';
import { meteredUsage, readUsage, wireUsage } from './wire-usage.ts';

/** What an answer and every chunk of it begin with. */
export interface AnswerHead {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly model: string;
}

/** What goes out for a reply, in one piece or in chunks; one of the two, once. */
export class Answer {
  readonly #reply: NormalizedReply;
  readonly #request: ChatRequest;
  readonly #head: AnswerHead;
  readonly #form: AnswerForm;
  readonly #meter = new TokenMeter();
  #isOver = false;

  constructor(reply: NormalizedReply, request: ChatRequest, head: AnswerHead, form: AnswerForm) {
    this.#reply = reply;
    this.#request = request;
    this.#head = head;
    this.#form = form;
  }

  /** What was used up to now. The reply's own word for it counts once all was said. */
  get usage(): TokenUsage {
    const own = this.#isOver && isCompletion(this.#reply) ? readUsage(this.#reply.usage) : undefined;
    return own ?? meteredUsage(this.#request.messages, this.#meter);
  }

  /** The answer as one object. The signal ends a reply that is still being said. */
  async whole(signal: AbortSignal): Promise<object> {
    const choices = await this.#choices(signal);
    for (const { message } of choices) this.#meter.addMessage(message);
    this.#isOver = true;
    return {
      ...this.#head,
      object: this.#form.object,
      choices: choices.map(this.#form.choice),
      usage: wireUsage(this.usage),
      ...this.#fields(),
    };
  }

  /**
   * The answer as the data of a stream's events: for every choice a role, the content in pieces and the reason to
   * finish; then the usage, asked for or not; then the end mark.
   */
  async *events(): AsyncGenerator<string, void, undefined> {
    const { usage, ...fields } = this.#fields();
    const chunk = (choices: readonly object[], more?: object): string =>
      JSON.stringify({ ...this.#head, ...fields, object: this.#form.chunkObject, choices, ...more });

    for await (const delta of this.#deltas()) {
      this.#meter.addMessage(delta.delta);
      const choice = this.#form.delta(delta);
      if (choice !== undefined) yield chunk([choice]);
    }
    this.#isOver = true;
    yield chunk([], { usage: usage ?? wireUsage(this.usage) });
    yield '[DONE]';
  }

  async #choices(signal: AbortSignal): Promise<CompleteChoice[]> {
    if (isCompletion(this.#reply)) return this.#reply.choices.map(completeChoice);
    const content = await joined(this.#reply, signal);
    return Array.from({ length: requestedChoices(this.#request) }, (_, index) =>
      completeChoice({ message: { content } }, index),
    );
  }

  #deltas(): Iterable<Delta> | AsyncIterable<Delta> {
    if (isCompletion(this.#reply)) return deltasOf(this.#reply);
    return textDeltas(this.#reply, requestedChoices(this.#request));
  }

  /** What a completion says besides its choices. */
  #fields(): Omit<EmulatedCompletion, 'choices'> & { readonly usage?: unknown } {
    if (!isCompletion(this.#reply)) return {};
    const { choices: _, ...fields } = this.#reply;
    return fields;
  }
}

async function joined(text: string | AsyncIterable<string>, signal: AbortSignal): Promise<string> {
  if (typeof text === 'string') return text;
  let whole = '';
  for await (const piece of text) {
    signal.throwIfAborted();
    whole += piece;
  }
  return whole;
}
