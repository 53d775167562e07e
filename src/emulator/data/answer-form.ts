import type { CompleteChoice, Delta } from './deltas.ts';
import { textOf } from './message-text.ts';

/** How one of the endpoints writes its answers. */
export interface AnswerForm {
  readonly idPrefix: string;
  readonly object: string;
  readonly chunkObject: string;
  readonly choice: (choice: CompleteChoice) => object;
  /** Undefined where the endpoint has no way to say it. */
  readonly delta: (delta: Delta) => object | undefined;
}

/** `POST /v1/chat/completions`. */
export const CHAT_FORM: AnswerForm = {
  idPrefix: 'chatcmpl',
  object: 'chat.completion',
  chunkObject: 'chat.completion.chunk',
  choice: (choice) => choice,
  delta: (delta) => delta,
};

/** `POST /v1/completions`: texts only. */
export const TEXT_FORM: AnswerForm = {
  idPrefix: 'cmpl',
  object: 'text_completion',
  chunkObject: 'text_completion',
  choice: ({ index, message, finish_reason }) => textChoice(index, textOf(message.content), finish_reason),
  delta: ({ index, delta: { content }, finish_reason }) => {
    const text = typeof content === 'string' ? content : '';
    return text === '' && finish_reason === null ? undefined : textChoice(index, text, finish_reason);
  },
};

function textChoice(index: number, text: string, finish_reason: string | null): object {
  return { index, text, logprobs: null, finish_reason };
}
