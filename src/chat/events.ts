import { createParser, type EventSourceParser } from 'eventsource-parser';
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

/** Parses an event. @param name - The value of its `event` field. */
export function parseEvent(data: string, name = ''): StreamEvent {
  const value = parseJson(data);
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
const TOO_LARGE = { type: 'invalid', reason: 'an event that is larger than 8 MiB' } as const;

/** A `data` line or an empty line. */
const LINE = /^(data:[^\r\n]*)?(?:\r\n|\r|\n)/gm;
/** The start of a `data` line that directly follows another line. */
const SECOND_LINE = /(?<=[^\r\n](?:\r\n|\r|\n))data:/;

/** Whether the data in a line forms a complete event, so that the next line starts another one. */
function isWholeEvent(data: string): boolean {
  return data === '[DONE]' || (/^(?:\{|null$)/.test(data) && parseJson(data) !== undefined);
}

/** Maximum length of text outside events, in characters. */
const MAX_STRAY_LENGTH = 65_536;

/**
 * Splits the text of a response into events. Detects the format from the first characters: an event stream, a single
 * JSON completion, or HTML.
 */
export class EventDecoder {
  readonly #emit: (event: StreamEvent) => void;
  #parser: EventSourceParser | undefined;
  #format: 'unknown' | 'json' | 'events' | 'html' = 'unknown';
  /** Unprocessed text; in an event stream, the incomplete last line. */
  #rest = '';
  /** Unprocessed lines that are outside events. */
  #stray = '';
  /** The first lines that are outside events, for error messages. */
  excerpt = '';
  /** Whether the body contained only white space. */
  isBlank = false;
  /** Whether the current event has a `data` line. */
  #hasData = false;
  /** Whether the current event may have been cut off. */
  #isCut = false;

  constructor(emit: (event: StreamEvent) => void) {
    this.#emit = emit;
  }

  /** Whether the body is a single JSON completion. */
  get isJson(): boolean {
    return this.#format === 'json';
  }

  push(text: string): void {
    if (this.#format === 'events') this.#feed(text);
    else this.#rest += text;
    if (this.#format === 'unknown') this.#detect();
  }

  /** Processes the remaining text when the body has ended or the connection has been lost. */
  end(): void {
    const text = this.#rest;
    this.isBlank = this.#format === 'unknown';
    const json = text.trim().replace(/(?<=[}\]])\s*data:\s*\[DONE\]$/, '');
    const event = this.#format === 'json' ? parseEvent(json) : undefined;
    if (this.#format === 'html') {
      this.#emit({ type: 'invalid', reason: 'HTML; is `baseUrl` correct?' });
    } else if (event !== undefined && event.type !== 'invalid') {
      this.#emit(event);
    } else {
      // The event parser also handles bodies with one JSON object per line.
      this.#startEvents(text);
      this.#isCut = true;
      // Some servers omit the empty line after the last event.
      this.#feed('\n\n');
      this.#flushStray();
    }
  }

  #detect(): void {
    const text = this.#rest.trimStart();
    if (text.startsWith('<')) this.#format = 'html';
    else if (/^[{[]/.test(text)) this.#format = 'json';
    else if (text !== '') this.#startEvents(text);
  }

  #startEvents(text: string): void {
    this.#format = 'events';
    this.#rest = '';
    this.#parser ??= createParser({
      maxBufferSize: MAX_EVENT_LENGTH,
      onEvent: ({ data, event }) => this.#receive(data, event),
      onError: ({ type, line }) => {
        if (type === 'max-buffer-size-exceeded') this.#emit(TOO_LARGE);
        if (type === 'unknown-field' && line !== undefined) this.#receiveStray(line);
      },
    });
    this.#feed(text);
  }

  /** Passes only complete lines to the parser, because it drops the start of a line whose field is unknown. */
  #feed(text: string): void {
    const end = Math.max(text.lastIndexOf('\n'), text.lastIndexOf('\r')) + 1;
    if (end > 0) {
      const lines = this.#rest + text.slice(0, end);
      this.#rest = '';
      this.#parser?.feed(this.#isSeparated(lines) ? lines : this.#separate(lines));
    }
    this.#rest += text.slice(end);
    if (this.#rest.length <= MAX_EVENT_LENGTH) return;
    const isComment = this.#rest.startsWith(':');
    this.#rest = isComment ? ':' : '';
    if (!isComment) this.#emit(TOO_LARGE);
  }

  /** Whether an empty line follows every event. Checking each line would account for 20% of a stream's read time. */
  #isSeparated(lines: string): boolean {
    const isClosed = ['\n\n', '\r\n\r\n', '\r\r'].some((end) => lines.endsWith(end));
    return isClosed && !this.#hasData && !SECOND_LINE.test(lines);
  }

  /** Adds the empty lines that some servers omit after single-line events. */
  #separate(lines: string): string {
    return lines.replaceAll(LINE, (line, data: string | undefined, offset) => {
      const next = lines.slice(offset + line.length, offset + line.length + 'data:'.length);
      const isSingle = data !== undefined && !this.#hasData && (next === '' || next === 'data:');
      const isWhole = isSingle && isWholeEvent(data.slice('data:'.length).trim());
      this.#hasData = data !== undefined && !isWhole;
      return isWhole ? `${line}\n` : line;
    });
  }

  #receive(data: string, name: string | undefined): void {
    this.#flushStray();
    let event = parseEvent(data, name);
    if (event.type === 'invalid') {
      // A truncated event may be followed directly by an error.
      const events = data.split('\n').map((line) => parseEvent(line, name));
      event = events.find(({ type }) => type === 'error') ?? event;
      // An incomplete last event is ignored, because the stream was cut off.
      if (this.#isCut && event.type === 'invalid') return;
    }
    this.#emit(event);
  }

  #receiveStray(line: string): void {
    const isEvent = /^\s*[[{]/.test(line) && parseEvent(line).type !== 'invalid';
    if (isEvent) this.#flushStray();
    if (this.#stray.length < MAX_STRAY_LENGTH) this.#stray += `${line}\n`;
    if (isEvent) this.#flushStray();
  }

  /** Emits JSON or errors that were sent without `data:`. Other lines are ignored. */
  #flushStray(): void {
    if (this.#stray === '') return;
    const event = parseEvent(this.#stray);
    if (event.type !== 'invalid') this.#emit(event);
    this.excerpt ||= this.#stray;
    this.#stray = '';
  }
}
