import { isThenable } from '../internal/checks.ts';
import { isRecord } from '../internal/json.ts';
import type { Secret } from '../secret/secret.ts';
import type { RequestLogEntry } from './call.ts';
import { type ReadCredential, redactorFor } from './credentials.ts';
import type { Deadline } from './deadline.ts';
import { withoutInput } from './service-error.ts';
import type { TransportResponse } from './transport.ts';

/** The diagnostics message for a request. Contains no body, header, key id or credential. */
interface RequestDiagnostics extends Partial<RequestLogEntry> {
  readonly host: string;
  completion?: object;
}

interface CallDescription {
  /** Method and path without ids, such as `DELETE /apikeys/{id}`. Error messages start with this label. */
  readonly label: string;
  /** Origin and path of the request. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly deadline: Deadline;
  readonly provideCredential: ReadCredential;
  readonly credentialOption?: 'apiKey' | 'accessToken';
  /** The response to the latest request, if it has arrived. */
  response?: TransportResponse | undefined;
  /** The diagnostics message of the latest request, if there are subscribers. */
  diagnostics?: RequestDiagnostics;
}

/** The call that received a response, with functions that manage its credentials and redact text. */
export type ResponseContext = ReturnType<typeof responseContext>;

/** Maximum number of further credentials that a call tries after its first credential has been rejected. */
const MAX_FURTHER_CREDENTIALS = 3;

/** Longer text is truncated before redaction, because servers may echo entire requests in their messages. */
const MAX_INPUT = 16_384;

export function responseContext(call: CallDescription) {
  const { deadline, provideCredential } = call;
  /** Every credential that the call has used. */
  const used: Secret[] = [];
  const rejected: Secret[] = [];
  const credential = (): Secret => used.at(-1) as Secret;
  /** Reads the next request's credential. If it was rejected before, keeps the current credential and returns false. */
  const readCredential = async (last?: Secret): Promise<boolean> => {
    const { signal } = deadline;
    const value = provideCredential(last === undefined ? { signal } : { rejected: last, signal });
    const next = isThenable(value) ? await deadline.race(value) : value;
    if (rejected.some((one) => one.equals(next))) return false;
    if (next !== credential()) used.push(next);
    return true;
  };
  /** Reads another credential after a rejection. Returns false if there is none, or if too many have been tried. */
  const replaceCredential = async (): Promise<boolean> => {
    rejected.push(credential());
    return rejected.length <= MAX_FURTHER_CREDENTIALS && readCredential(credential());
  };
  // Created on demand, because most calls need no redaction. Recreated when the call uses another credential.
  let redactor: { readonly of: number; readonly redact: (text: string) => string } | undefined;
  /** Masks every credential that the call has used. Applied to all text in errors. */
  const redact = (text: string): string => {
    const of = used.length;
    if (redactor?.of !== of) redactor = { of, redact: redactorFor(used, call.headers) };
    return redactor.redact(text);
  };
  /** Masks credentials in every string of a JSON value, including field names. */
  const redactValue = <Value>(value: Value): Value => redactStrings(value, redact) as Value;
  /** Makes text from a server or library safe to show: masks credentials, removes echoed input, and truncates it. */
  const shown = <Text extends string | undefined>(text: Text, length = 500): Text => {
    const safe = text && redact(withoutInput(text.slice(0, MAX_INPUT)));
    return (safe && safe.length > length ? `${safe.slice(0, length)}…` : safe) as Text;
  };
  return { ...call, credential, readCredential, replaceCredential, redact, redactValue, shown };
}

function redactStrings(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map((item) => redactStrings(item, redact));
  if (!isRecord(value)) return value;
  return Object.fromEntries(redactStrings(Object.entries(value), redact) as [string, unknown][]);
}

/** Adds a period unless the text already ends with punctuation. */
export function sentence(text: string): string {
  return text.trimEnd().replace(/(?<![.!?。！？…])$/, '.');
}
