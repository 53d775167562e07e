import { isRecord } from '../internal/json.ts';
import type { Secret } from '../secret/secret.ts';
import { redactorFor } from './credentials.ts';
import type { Deadline } from './deadline.ts';
import { withoutInput } from './service-error.ts';

/** Texts of servers and libraries are cut to this length, */
const MAX_TEXT = 500;
/** and only this much of them is looked at. */
const MAX_INPUT = 16_384;

/** The call that a response belongs to, and what its errors may show. */
export class ResponseContext {
  /** Method and path without ids: `DELETE /apikeys/{id}`. Every message starts with it. */
  readonly label: string;
  /** Origin and path of the request. */
  readonly url: string;
  /** Custom headers of the requests. */
  readonly headers: Readonly<Record<string, string>>;
  readonly deadline: Deadline;
  readonly credentialOption: 'apiKey' | 'accessToken';
  /** Every credential that was sent, the latest one last. */
  readonly sent: Secret[] = [];
  /** Most calls never need one. It is outdated when another credential was sent. */
  #redactor: { readonly of: number; readonly redact: (text: string) => string } | undefined;

  constructor(fields: Pick<ResponseContext, 'label' | 'url' | 'headers' | 'deadline' | 'credentialOption'>) {
    this.label = fields.label;
    this.url = fields.url;
    this.headers = fields.headers;
    this.deadline = fields.deadline;
    this.credentialOption = fields.credentialOption;
  }

  /** Masks every credential that the call has used. For all text that goes into an error. */
  redact(text: string): string {
    const of = this.sent.length;
    if (this.#redactor?.of !== of) this.#redactor = { of, redact: redactorFor(this.sent, this.headers) };
    return this.#redactor.redact(text);
  }

  /** Does the same in every string of a JSON value, names of fields included. */
  redactValue<T>(value: T): T;
  redactValue(value: unknown): unknown {
    if (typeof value === 'string') return this.redact(value);
    if (Array.isArray(value)) return value.map((item) => this.redactValue(item));
    if (!isRecord(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [this.redact(name), this.redactValue(item)]),
    );
  }
}

/** A text of a server or library as it may be shown: without credentials and repeated input, and not too long. */
export function shownText(text: string, context: Pick<ResponseContext, 'redact'>, length = MAX_TEXT): string {
  const shown = context.redact(withoutInput(text.slice(0, MAX_INPUT)));
  return shown.length > length ? `${shown.slice(0, length)}…` : shown;
}

/** A text with a full stop, unless it ends like a sentence. */
export function sentence(text: string): string {
  return /[.!?。！？…]$/.test(text) ? text : `${text}.`;
}
