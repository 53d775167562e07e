/** A response to a chat completion request, and what a client makes of it. */
export interface Case {
  readonly name: string;
  /** A string is sent as it is, anything else as JSON. */
  readonly body: unknown;
  readonly contentType?: string;
  /** Number of requested choices. */
  readonly n?: number;
  /** The completion has at least these fields. */
  readonly completion?: object;
  /** Text of the first choice; that of `completion` if it is left out. */
  readonly text?: string;
  /** Or else: the error has this name and these fields. */
  readonly error?: { readonly name: string; readonly [field: string]: unknown };
  /** The message of the error contains this. */
  readonly message?: string;
}

export interface Table {
  readonly rule: string;
  readonly cases: readonly Case[];
}

/** Events as the data plane writes them: strings as they are, anything else as JSON. */
export function events(...data: unknown[]): string {
  return data.map((one) => `data: ${typeof one === 'string' ? one : JSON.stringify(one)}\n\n`).join('');
}

/** A chunk with one choice. */
export const choice = (fields: object): object => ({ choices: [{ index: 0, ...fields }] });
/** A chunk with a delta of the first choice. */
const delta = (fields: object): object => choice({ delta: fields });
/** A chunk with text. */
export const says = (content: string): object => delta({ content });
/** The chunk that finishes the first choice. */
export const finish = (reason: unknown = 'stop'): object => choice({ delta: {}, finish_reason: reason });
/** A whole completion with one choice. */
export const whole = (message: object, fields: object = {}, reason: unknown = 'stop'): object => ({
  ...fields,
  choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: reason }],
});
/** A complete stream of these deltas. */
export const stream = (...deltas: object[]): string => events(...deltas.map(delta), finish(), '[DONE]');
/** The first message of a completion. */
export const message = (fields: object): object => ({ choices: [{ message: fields }] });
