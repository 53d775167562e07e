import { isObject } from '../http.ts';
import type { TokenUsage } from '../usage-ledger.ts';
import type { EmulatedMessage } from './reply.ts';
import { TokenMeter } from './token-meter.ts';
import { meteredUsage, readUsage } from './wire-usage.ts';

/** What an answer of somebody else's used: what it says itself, or else what its texts come to. */
export class UpstreamUsage {
  readonly #messages: readonly EmulatedMessage[];
  readonly #meter = new TokenMeter();
  #said: TokenUsage | undefined;

  constructor(request: Record<string, unknown>) {
    const { messages, prompt } = request;
    const asked = Array.isArray(messages) ? messages : [{ content: prompt }];
    this.#messages = asked.filter(isReadable);
  }

  /** Reads an answer, or one of its chunks. */
  read(answer: unknown): void {
    if (!isObject(answer)) return;
    this.#said = readUsage(answer.usage) ?? this.#said;
    if (!Array.isArray(answer.choices)) return;
    for (const choice of answer.choices) {
      if (!isObject(choice)) continue;
      const said = choice.delta ?? choice.message ?? { text: choice.text };
      if (isObject(said)) this.#meter.addMessage(said);
    }
  }

  get usage(): TokenUsage {
    return this.#said ?? meteredUsage(this.#messages, this.#meter);
  }
}

/** Nobody has checked the request: that is the model server's affair. */
function isReadable(message: unknown): message is EmulatedMessage {
  if (!isObject(message)) return false;
  const { content } = message;
  return typeof content === 'string' || (Array.isArray(content) && content.every(isObject));
}
