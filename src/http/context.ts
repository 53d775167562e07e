import { isRecord } from '../internal/json.ts';
import type { Secret } from '../secret/secret.ts';
import type { RequestLogEntry } from './call.ts';
import { redactorFor } from './credentials.ts';
import type { Deadline } from './deadline.ts';
import { withoutInput } from './service-error.ts';

/** The diagnostics message of a request. Contains no body, header, key id or credential. */
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

/** The call that a response belongs to, and the redaction for its errors. */
export interface ResponseContext extends CallDescription {
  /** Every credential that was sent, in order. */
  readonly sent: Secret[];
  /** The diagnostics message of the latest request, if there are subscribers. */
  diagnostics?: RequestDiagnostics;
  /** Masks every credential that the call has used. Applied to all text in errors. */
  redact(text: string): string;
  /** Masks credentials in every string of a JSON value, including field names. */
  redactValue<T>(value: T): T;
}

export function responseContext(call: CallDescription): ResponseContext {
  const sent: Secret[] = [];
  // Created on demand, since most calls need none, and again after another credential was sent.
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

/** Servers repeat requests in their messages, so only this many characters are scanned. */
const MAX_INPUT = 16_384;

/** Makes text from a server or library safe to show: removes credentials and repeated input, and limits its length. */
export function shownText(text: string, { redact }: Pick<ResponseContext, 'redact'>, length = 500): string {
  const shown = redact(withoutInput(text.slice(0, MAX_INPUT)));
  return shown.length > length ? `${shown.slice(0, length)}…` : shown;
}

/** Adds a period unless the text already ends with punctuation. */
export function sentence(text: string): string {
  return text.trimEnd().replace(/(?<![.!?。！？…])$/, '.');
}
