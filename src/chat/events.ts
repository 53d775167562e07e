import { createParser, type EventSourceParser } from 'eventsource-parser';
import { errorIn, type ServiceError } from '../http/service-error.ts';
import { isRecord, isTooDeep, parseJson } from '../internal/json.ts';
import type { Fields } from './normalize.ts';

/** What an event of a stream, or the body of a whole response, means. */
export type StreamEvent = (
  | { readonly type: 'chunk'; readonly chunk: Fields }
  | { readonly type: 'end' }
  | { readonly type: 'error'; readonly error: ServiceError }
  | { readonly type: 'ignored' }
  /** It is none of the above. */
  | { readonly type: 'invalid'; readonly reason: string }
) & {
  /** Whether it is the JSON body of a response. */
  readonly isBody?: boolean;
};

const IGNORED: StreamEvent = { type: 'ignored' };
const PING = /^(?:ping|heart-?beat|keep-?alive)$/i;
const ERROR_NAME = /^(?:error|exception|fail(?:ed|ure)?)$/i;

/** Fields of a chunk: a message beside one of them is not an error. */
const CHUNK_FIELDS = ['choices', 'usage', 'model', 'created'];
/** Fields in which servers send nothing but an error's message. */
const MESSAGE_FIELDS = ['message', 'msg', 'detail', 'error_msg', 'error_message', 'errmsg', 'err_msg'];

/**
 * Classifies an event.
 *
 * @param name - The `event` field.
 */
export function parseEvent(data: string, name?: string): StreamEvent {
  const value = parseJson(data);
  if (isRecord(value)) {
    if (isTooDeep(data, value)) return { type: 'invalid', reason: 'an event that is nested too deeply' };
    const error = errorInEvent(value, name);
    if (error !== undefined) return { type: 'error', error };
    return isPing(value, name) ? IGNORED : { type: 'chunk', chunk: value };
  }
  // The gateway's way to end a stream that failed: the end itself decides.
  if (value === null) return IGNORED;
  const error = Array.isArray(value) ? errorIn(value, []) : undefined;
  if (error !== undefined) return { type: 'error', error };
  return parseText(typeof value === 'string' ? value : data, name);
}

function parseText(data: string, name: string | undefined): StreamEvent {
  const text = data.trim();
  if (text === '[DONE]') return { type: 'end' };
  if (name !== undefined && ERROR_NAME.test(name)) return { type: 'error', error: { message: text } };
  if (text === '' || (name !== undefined && PING.test(name))) return IGNORED;
  const message = /^error\s*:\s*(.+)/is.exec(text)?.[1];
  if (message !== undefined) return { type: 'error', error: { message } };
  return { type: 'invalid', reason: 'an event that is not JSON' };
}

function errorInEvent(value: Fields, name: string | undefined): ServiceError | undefined {
  const { choices, error, type } = value;
  const isNamedError = [name, type].some((word) => typeof word === 'string' && ERROR_NAME.test(word));
  if (Array.isArray(choices) && choices.length > 0 && !isNamedError && !isFailure(error)) return undefined;
  const found = errorIn(value, CHUNK_FIELDS);
  if (found === undefined || isNamedError) return isNamedError ? (found ?? {}) : undefined;
  // An event of another kind can have a `title`, a `description`, or an object as its `message`.
  const isOther = typeof type === 'string' && error === undefined && !MESSAGE_FIELDS.some(isText);
  return isOther ? undefined : { message: typeof value.text === 'string' ? value.text : undefined, ...found };

  function isText(field: string): boolean {
    return typeof value[field] === 'string';
  }
}

/** Whether the `error` beside choices is one. Some servers send `{}` or `{"code":0}` in every chunk. */
function isFailure(error: unknown): boolean {
  if (typeof error === 'string') return error.trim() !== '';
  if (!isRecord(error)) return error === true;
  const { code, message } = error;
  const isCode = code !== undefined && code !== null && !/^(?:0|2\d\d|ok|success|)$/i.test(String(code));
  return isCode || (typeof message === 'string' && message.trim() !== '') || isRecord(message);
}

function isPing(value: Fields, name: string | undefined): boolean {
  if (Array.isArray(value.choices)) return false;
  const words = [name, value.type, value.event, value.object];
  return Object.keys(value).length === 0 || words.some((word) => typeof word === 'string' && PING.test(word));
}

/** Maximum length of an event, in characters. */
const MAX_EVENT_LENGTH = 8 * 1024 * 1024;
const TOO_LARGE = 'an event that is larger than 8 MiB';

/** Maximum length of text outside of events that is kept. */
const MAX_STRAY_LENGTH = 65_536;

/**
 * Splits the text of a response into events. Detects its format from its first characters: an event stream, the JSON of one
 * completion, or HTML.
 */
export class EventDecoder {
  readonly #emit: (event: StreamEvent) => void;
  readonly #parser: EventSourceParser;
  #format: 'unknown' | 'json' | 'events' | 'html' = 'unknown';
  /** Text that has not been processed: all of it in JSON, the last line of an event stream. */
  #rest = '';
  /** Lines that are not part of any event. */
  #stray = '';
  #hasEvent = false;
  /** Whether single newlines separate the events. */
  #isByLine = false;
  /** Whether what is left can be cut off anywhere. */
  #isEnding = false;

  constructor(emit: (event: StreamEvent) => void) {
    this.#emit = emit;
    this.#parser = createParser({
      maxBufferSize: MAX_EVENT_LENGTH,
      onEvent: ({ data, event }) => this.#receive(data, event),
      onError: ({ type, line }) => {
        if (type === 'max-buffer-size-exceeded') this.#fail(TOO_LARGE);
        if (type === 'unknown-field' && line !== undefined) this.#receiveStray(line);
      },
    });
  }

  /** The start of a body in which there are no events. */
  get excerpt(): string {
    return this.#hasEvent ? '' : (this.#stray || this.#rest).slice(0, MAX_STRAY_LENGTH);
  }

  /** Adds a part of the text. */
  push(text: string): void {
    if (this.#format === 'events') {
      this.#feed(text);
      return;
    }
    this.#rest += text;
    if (this.#format === 'unknown') this.#detect();
  }

  /** Processes what is left. Has to be called when the body is over, also if the connection was lost. */
  end(): void {
    const text = this.#rest;
    if (this.#format === 'html') {
      this.#fail('HTML');
      return;
    }
    const event = this.#format === 'json' ? parseEvent(text.trim()) : undefined;
    if (event !== undefined && event.type !== 'invalid') {
      this.#hasEvent = event.type === 'chunk';
      this.#emit({ ...event, isBody: true });
    } else {
      // Also for JSON that is followed by `data: [DONE]`, and for one object a line.
      this.#rest = '';
      this.#feed(text);
      this.#isEnding = true;
      // Some servers leave out the empty line after the last event.
      this.#feed('\n\n');
      this.#flushStray();
    }
  }

  #detect(): void {
    const text = this.#rest.trimStart();
    const first = text.charAt(0);
    if (first === '') return;
    if (first === '<') this.#format = 'html';
    else if (first === '{' || first === '[') this.#format = 'json';
    else {
      const [, line = '', next = ''] = /^(.*?)(?:\r\n|\r|\n)(.*)$/s.exec(text) ?? [];
      // Complete JSON in a line that another one follows: every line is an event.
      const isByLine = next.startsWith('data:') && parseJson(line.replace(/^data:/, '')) !== undefined;
      if (isByLine || next.length >= 5 || text.length > MAX_EVENT_LENGTH) this.#startEvents(isByLine);
    }
  }

  #startEvents(isByLine: boolean): void {
    const text = this.#rest.trimStart();
    this.#format = 'events';
    this.#isByLine = isByLine;
    this.#rest = '';
    this.#feed(text);
  }

  /** Passes complete lines to the parser, which drops the first part of a line with an unknown field. */
  #feed(text: string): void {
    const end = Math.max(text.lastIndexOf('\n'), text.lastIndexOf('\r')) + 1;
    if (end > 0) {
      const lines = this.#rest + text.slice(0, end);
      this.#rest = '';
      this.#parser.feed(this.#isByLine ? lines.replaceAll(/\r\n?|\n/g, '\n\n') : lines);
    }
    this.#rest += text.slice(end);
    if (this.#rest.length <= MAX_EVENT_LENGTH) return;
    const isComment = this.#rest.startsWith(':');
    this.#rest = isComment ? ':' : '';
    if (!isComment) this.#fail(TOO_LARGE);
  }

  #receive(data: string, name: string | undefined): void {
    this.#flushStray();
    if (data.length > MAX_EVENT_LENGTH) {
      this.#fail(TOO_LARGE);
      return;
    }
    const event = parseEvent(data, name);
    if (event.type !== 'ignored') this.#hasEvent = true;
    // Single newlines between events: the parser takes them for one event of several lines.
    const events = event.type === 'invalid' && data.includes('\n') ? this.#splitLines(data, name) : undefined;
    for (const one of events ?? [event]) {
      // The last event of a stream that was cut off.
      if (one.type !== 'invalid' || !this.#isEnding) this.#emit(one);
    }
  }

  #splitLines(data: string, name: string | undefined): StreamEvent[] | undefined {
    const lines = data.split('\n').filter((line) => line.trim() !== '');
    const events = lines.map((line) => parseEvent(line, name));
    const last = this.#isEnding ? events.at(-1) : undefined;
    if (events.some((event) => event.type === 'invalid' && event !== last)) return undefined;
    this.#isByLine = true;
    return events;
  }

  #receiveStray(line: string): void {
    const event = /^\s*[[{]/.test(line) ? parseEvent(line) : undefined;
    if (event !== undefined && event.type !== 'invalid') {
      this.#flushStray();
      this.#hasEvent = true;
      this.#emit(event);
    } else if (this.#stray.length < MAX_STRAY_LENGTH) {
      this.#stray += `${line}\n`;
    }
  }

  /** Emits JSON, or an error, that was sent without `data:`. Other lines are no part of the stream. */
  #flushStray(): void {
    if (this.#stray === '') return;
    const event = parseEvent(this.#stray);
    if (event.type === 'ignored' || event.type === 'invalid') {
      if (this.#hasEvent) this.#stray = '';
      return;
    }
    this.#stray = '';
    this.#hasEvent = true;
    this.#emit(event);
  }

  #fail(reason: string): void {
    this.#emit({ type: 'invalid', reason });
  }
}
