/** A response to a chat completion request, and the expected result of the client. */
export interface Case {
  readonly name: string;
  /** A string is sent verbatim, any other value as JSON. */
  readonly body: unknown;
  readonly contentType?: string;
  /** Number of requested choices. */
  readonly n?: number;
  /** Expected fields of the completion. */
  readonly completion?: object;
  /** Expected text of the first choice. Default: the text in `completion`. */
  readonly text?: string;
  /** Expected name and fields of the error, if the call fails. */
  readonly error?: { readonly name: string; readonly [field: string]: unknown };
  /** Expected part of the error's message. */
  readonly message?: string;
}

export interface Table {
  readonly rule: string;
  readonly cases: readonly Case[];
}

/** Formats events as the data plane does: strings verbatim, other values as JSON. */
export function events(...data: unknown[]): string {
  return data.map((one) => `data: ${typeof one === 'string' ? one : JSON.stringify(one)}\n\n`).join('');
}

/** A chunk with one choice. */
export const choice = (fields: object): object => ({ choices: [{ index: 0, ...fields }] });
/** A chunk with a delta of the first choice. */
const delta = (fields: object): object => choice({ delta: fields });
/** A chunk with text. */
export const textChunk = (content: string): object => delta({ content });
/** A chunk that finishes the first choice. */
export const finishChunk = (reason: unknown = 'stop'): object => choice({ delta: {}, finish_reason: reason });
/** A completion with one choice. */
export const completionOf = (message: object, fields: object = {}, reason: unknown = 'stop'): object => ({
  ...fields,
  choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: reason }],
});
/** A complete stream with these deltas. */
export const stream = (...deltas: object[]): string => events(...deltas.map(delta), finishChunk(), '[DONE]');
/** The first message of a completion. */
export const message = (fields: object): object => ({ choices: [{ message: fields }] });
