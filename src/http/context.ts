import { isRecord } from '../internal/json.ts';
import type { Secret } from '../secret/secret.ts';
import type { RequestLogEntry } from './call.ts';
import { redactorFor } from './credentials.ts';
import type { Deadline } from './deadline.ts';
import { withoutInput } from './service-error.ts';

/** What is published about a request. Contains no body, header, id of a key or credential. */
interface RequestDiagnostics extends Partial<RequestLogEntry> {
  readonly host: string;
  completion?: object;
}

interface CallDescription {
  /** Method and path without ids: `DELETE /apikeys/{id}`. Every message starts with it. */
  readonly label: string;
  /** Origin and path of the request. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly deadline: Deadline;
  readonly credentialOption: 'apiKey' | 'accessToken';
}

/** The call that a response belongs to, and what its errors may show. */
export interface ResponseContext extends CallDescription {
  /** Every credential that was sent, the latest one last. */
  readonly sent: Secret[];
  /** What is published about the latest request, if there are subscribers. */
  diagnostics?: RequestDiagnostics;
  /** Masks every credential that the call has used. Applied to all text that goes into an error. */
  redact(text: string): string;
  /** Does the same in every string of a JSON value, names of fields included. */
  redactValue<T>(value: T): T;
}

export function responseContext(call: CallDescription): ResponseContext {
  const sent: Secret[] = [];
  // Most calls never need one. It is outdated when another credential was sent.
  let redactor: { readonly of: number; readonly redact: (text: string) => string } | undefined;
  const redact = (text: string): string => {
    const of = sent.length;
    if (redactor?.of !== of) redactor = { of, redact: redactorFor(sent, call.headers) };
    return redactor.redact(text);
  };
  return { ...call, sent, redact, redactValue: (value) => redactStrings(value, redact) as typeof value };
}

function redactStrings(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map((item) => redactStrings(item, redact));
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).map(([name, item]) => [redact(name), redactStrings(item, redact)]);
  return Object.fromEntries(entries);
}

/** Servers repeat requests in their messages. Only this much of a text is examined. */
const MAX_INPUT = 16_384;

/** A text of a server or library as it may be shown: without credentials and repeated input, and not too long. */
export function shownText(text: string, { redact }: Pick<ResponseContext, 'redact'>, length = 500): string {
  const shown = redact(withoutInput(text.slice(0, MAX_INPUT)));
  return shown.length > length ? `${shown.slice(0, length)}…` : shown;
}

/** A text with a full stop, unless it ends like a sentence. */
export function sentence(text: string): string {
  return /[.!?。！？…]$/.test(text) ? text : `${text}.`;
}
