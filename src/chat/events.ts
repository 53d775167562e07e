import { errorIn, readError, type ServiceError } from '../http/service-error.ts';
import { isRecord, parseJson } from '../internal/json.ts';
import type { Fields } from './normalize.ts';

/** A parsed event, or the parsed body of a whole response. */
export type StreamEvent =
  | { readonly type: 'chunk'; readonly chunk: Fields }
  | { readonly type: 'end' | 'ignored' }
  | { readonly type: 'error'; readonly error: ServiceError }
  /** The event or body could not be parsed. */
  | { readonly type: 'invalid'; readonly reason: string };

const PING = /^(?:ping|heart-?beat|keep-?alive)$/i;
const ERROR = /^(?:error|exception|fail(?:ed|ure)?)$/i;

/** Fields of a chunk. If an object has one of these fields, its `message` does not indicate an error. */
const CHUNK_FIELDS = ['choices', 'usage', 'model', 'created'];
/** Fields that indicate an error even if the event also has fields of a chunk. */
const ERROR_FIELDS = ['error_msg', 'error_message', 'errmsg', 'err_msg'];
const MESSAGE_FIELDS = ['message', 'msg', 'detail', ...ERROR_FIELDS];

/** Parses an event. @param name - The value of its `event` field. @param value - The parsed data. */
export function parseEvent(data: string, name = '', value = parseJson(data)): StreamEvent {
  if (isRecord(value)) {
    const error = errorInEvent(value, name);
    if (error !== undefined) return { type: 'error', error };
    return isPing(value, name) ? { type: 'ignored' } : { type: 'chunk', chunk: value };
  }
  // The gateway ends a failed stream with `null`.
  if (value === null) return { type: 'ignored' };
  const error = Array.isArray(value) ? errorIn(value, []) : undefined;
  if (error !== undefined) return { type: 'error', error };
  const text = (typeof value === 'string' ? value : data).trim();
  if (text === '[DONE]') return { type: 'end' };
  // Some proxies wrap the `data:` lines of another server in their own events.
  if (text.startsWith('data:')) return parseEvent(text.slice(5), name);
  if (ERROR.test(name)) return { type: 'error', error: { message: text } };
  // Some proxies forward another server's comments as events.
  if (text === '' || text.startsWith(':') || PING.test(name)) return { type: 'ignored' };
  const message = /^error\s*:\s*(.+)/is.exec(text)?.[1];
  if (message === undefined) return { type: 'invalid', reason: 'an event that is not JSON' };
  // llama.cpp sends errors as JSON after `error:` instead of `data:`.
  return { type: 'error', error: errorIn({ error: parseJson(message) ?? message }, []) ?? { message } };
}

function errorInEvent(value: Fields, name: string): ServiceError | undefined {
  const { choices, error, type, base_resp } = value;
  const isNamed = ERROR.test(name) || (typeof type === 'string' && ERROR.test(type));
  const hasNoError = Array.isArray(choices) && !isFailure(error);
  if (hasNoError && choices.length > 0 && !isNamed) return undefined;
  // MiniMax reports the status of every response in `base_resp`.
  const { status_code: code, status_msg } = isRecord(base_resp) ? base_resp : {};
  const chunkFields = ERROR_FIELDS.some((field) => value[field]) ? [] : CHUNK_FIELDS;
  const named = isNamed ? readError(value) : undefined;
  const reported = hasNoError ? { ...value, error: undefined } : value;
  const found = errorIn(reported, chunkFields) ?? errorIn({ code, message: status_msg }, []) ?? named;
  // Events other than errors can have a `title`, a `description`, or an object as their `message`.
  const isOther = !isNamed && typeof type === 'string' && error === undefined;
  if (isOther && !MESSAGE_FIELDS.some((field) => typeof value[field] === 'string')) return undefined;
  return found;
}

/** Whether an `error` field reports a failure. Some servers send `{}` or `{"code":0}` in every chunk. */
export function isFailure(error: unknown): boolean {
  if (!isRecord(error)) return error === true || (typeof error === 'string' && error.trim() !== '');
  const isSuccess = (one: unknown): boolean => /^(?:0|2\d\d|ok|success)?$/i.test(String(one ?? '').trim());
  return !Object.values(readError(error) ?? {}).every(isSuccess);
}

function isPing(value: Fields, name: string): boolean {
  if (Array.isArray(value.choices)) return false;
  const words = [name, value.type, value.event, value.object];
  return Object.keys(value).length === 0 || words.some((word) => typeof word === 'string' && PING.test(word));
}

/** Maximum length of an event, in characters. */
const MAX_EVENT_LENGTH = 8 * 1024 * 1024;

/**
 * Splits the text of a response into events. Detects the format from the first characters: an event stream, a single
 * JSON completion, or HTML. Reads event streams line by line, because some servers omit the empty lines between events,
 * or send JSON and errors without `data:`.
 */
export class EventDecoder {
  readonly #emit: (event: StreamEvent) => void;
  /** The format of the body; `blank` if only white space has been received. */
  format: 'blank' | 'json' | 'events' | 'html' = 'blank';
  /** Unprocessed text; in an event stream, the incomplete last line. */
  #rest = '';
  /** The lines of the current event. */
  #lines: string | undefined;
  /** Whether these lines lack `data:`. Such lines are an event only if they are JSON or report an error. */
  #isStray = false;
  #name: string | undefined;
  /** The first lines that are not part of an event, for error messages. */
  excerpt = '';

  constructor(emit: (event: StreamEvent) => void) {
    this.#emit = emit;
  }

  push(text: string): void {
    this.#rest += text;
    const start = this.format === 'blank' ? this.#rest.trimStart() : '';
    if (start !== '') this.format = start.startsWith('<') ? 'html' : /^[{[]/.test(start) ? 'json' : 'events';
    if (this.format !== 'events') return;
    // Only the new text is searched, so that reading a long line takes linear time.
    if (/[\r\n]/.test(text)) this.#readLines();
    if (this.#rest.length + (this.#lines?.length ?? 0) <= MAX_EVENT_LENGTH) return;
    if (this.#rest.startsWith(':')) this.#rest = ':';
    else this.#emit({ type: 'invalid', reason: 'an event that is larger than 8 MiB' });
  }

  /** Processes the remaining text when the body has ended or the connection has been lost. */
  end(): void {
    if (this.format === 'html') this.#emit({ type: 'invalid', reason: 'HTML; is `baseUrl` correct?' });
    if (this.format === 'json') {
      const event = parseEvent(this.#rest.trim().replace(/(?<=[}\]])\s*data:\s*\[DONE\]$/, ''));
      // A body that is not a single JSON value may have one JSON object per line.
      if (event.type === 'invalid') this.format = 'events';
      else this.#emit(event);
    }
    if (this.format !== 'events') return;
    if (this.#rest !== '') this.#rest += '\n';
    this.#readLines();
    // Some servers omit the empty line after the last event.
    this.#endEvent(true);
  }

  #readLines(): void {
    // A `\r` at the end may be the first half of a `\r\n`.
    const lines = this.#rest.split(this.#rest.includes('\r') ? /\r\n|\n|\r(?!$)/ : '\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#readLine(line);
  }

  #readLine(line: string): void {
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
    if (line === '') {
      this.#endEvent();
      // An `error` event reports a failure even if it has no data, or if its name follows the data.
      if (this.#name) this.#emit(parseEvent('', this.#name));
      this.#name = undefined;
    } else if (field === 'data') this.#addLine(value, false);
    else if (field === 'event') this.#name = value.trim();
    else if (!['', 'id', 'retry'].includes(field)) this.#addLine(line, true);
  }

  /** Adds a line to the current event. A line that is a JSON value ends the event, even without an empty line. */
  #addLine(line: string, isStray: boolean): void {
    const isFirst = !this.#lines || this.#isStray;
    const value = isFirst && /^\s*(?:[{[]|null$)/.test(line) ? parseJson(line) : undefined;
    // Stray lines after incomplete data belong to its event: they continue the JSON, or report why it is incomplete.
    if (this.#isStray && (!isStray || value !== undefined)) this.#endEvent();
    if (!this.#lines) this.#isStray = isStray;
    this.#lines = this.#lines === undefined ? line : `${this.#lines}\n${line}`;
    if (value !== undefined || line.trim() === '[DONE]') this.#endEvent(false, value);
  }

  /** @param isCut - Whether the event may have been cut off. An incomplete event is then ignored. */
  #endEvent(isCut = false, value?: unknown): void {
    const lines = this.#lines;
    const isStray = this.#isStray;
    const name = isStray ? '' : this.#name;
    if (lines === undefined) return;
    this.#lines = undefined;
    this.#isStray = false;
    if (isStray) this.excerpt ||= lines;
    else this.#name = undefined;
    let event = parseEvent(lines, name, value);
    if (event.type === 'invalid' && !isStray) {
      // A truncated event may be followed directly by an error.
      const parts = lines.split('\n').map((line) => parseEvent(line, name));
      event = parts.find(({ type }) => type === 'error') ?? event;
    }
    if (event.type !== 'invalid' || !(isCut || isStray)) this.#emit(event);
  }
}
