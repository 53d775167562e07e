import { createParser, type EventSourceMessage, type EventSourceParser } from 'eventsource-parser';
import {
  type DrunError,
  type PartialCompletion,
  StreamFailedError,
  StreamTruncatedError,
} from '../errors/index.ts';
import type { Deadline } from '../http/deadline.ts';
import { invalidResponse, type ResponseContext, shownText, toConnectionError } from '../http/errors.ts';
import { requestIdOf } from '../http/headers.ts';
import { parseBody } from '../http/response.ts';
import { errorIn, parseServiceError, type ServiceError } from '../http/service-error.ts';
import type { TransportResponse } from '../http/transport.ts';
import { isRecord, isTooDeep, parseJson } from '../internal/json.ts';
import { COMPLETION_FIELDS } from './ask-for-completion.ts';
import type { ChatCompletionChunk } from './chunk.ts';
import { CompletionBuilder } from './completion-builder.ts';

/** An event larger than this ends the stream, in characters (8 MiB of ASCII). */
const LARGEST_EVENT = 8 * 1024 * 1024;

/** For how long the body is read on after `[DONE]`; its end comes right behind, if it comes. */
const LONGEST_END_MS = 250;

const NO_REASON = 'the service reported an error';

const TOO_LARGE = 'an event is larger than 8 MiB';

/** What is known of a stream's end: a failure, or that it is whole. */
type End = { readonly error: DrunError } | { readonly error?: undefined };

/**
 * Takes a response for a stream, and waits for its first chunk: as long as there is none, the call can be repeated.
 *
 * @throws InvalidResponseError for a success that is no event stream, ApiError for one that is an error in JSON.
 */
export async function openChunkSource(
  response: TransportResponse,
  idleTimeoutMs: number | undefined,
  context: ResponseContext,
): Promise<ChunkSource> {
  if (!/^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '')) {
    const text = await context.deadline.race(response.text());
    parseBody(text, response, context, { fields: COMPLETION_FIELDS });
    throw invalidResponse(response, context, `${response.status} without an event stream`, { body: text });
  }
  const source = new ChunkSource(response, idleTimeoutMs, context);
  await source.open();
  return source;
}

/**
 * The chunks of a streamed answer, one after the other, and what they add up to.
 *
 * The stream is whole when `[DONE]` came, or when it ended after every answer that had begun had finished. Any
 * other end is an error. Nothing is read before it is asked for, so that a slow reader slows the server down.
 */
export class ChunkSource {
  readonly #context: ResponseContext;
  readonly #scope: Deadline;
  readonly #response: TransportResponse;
  readonly #idleTimeoutMs: number | undefined;
  readonly #parser: EventSourceParser;
  readonly #decoder = new TextDecoder();
  readonly #builder = new CompletionBuilder();
  /** What a read brought; parsed one by one when they are asked for, so that what was parsed need not be kept. */
  #events: EventSourceMessage[] = [];
  /** Which event is next: shifting an array moves all that follow. */
  #position = 0;
  /** Taken for {@link open}, and not given out yet. */
  #first: ChatCompletionChunk | undefined;
  #end: End | undefined;
  #count = 0;
  /** From which event on they may be cut off anywhere: what was left in the parser when the body was over. */
  #cutFrom = Number.POSITIVE_INFINITY;
  /** What becomes of the stream when all events are taken that came before. */
  #conclude: (() => void) | undefined;

  /** @param idleTimeoutMs - How long the next chunk may take; comments and keep-alives are no chunks. */
  constructor(response: TransportResponse, idleTimeoutMs: number | undefined, context: ResponseContext) {
    this.#response = response;
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#context = context;
    this.#scope = context.deadline;
    this.#parser = createParser({
      maxBufferSize: LARGEST_EVENT,
      onEvent: (event) => this.#events.push(event),
      onError: (error) => {
        if (error.type === 'max-buffer-size-exceeded') this.#conclude = () => this.#fail(TOO_LARGE);
      },
    });
    // Not every fetch ends its body with the signal: this ends a read that waits for one that does not.
    context.deadline.signal.addEventListener('abort', () => this.cancel(), { once: true });
  }

  /** What has come so far. */
  get completion(): PartialCompletion {
    return this.#builder.build();
  }

  /** Waits for the first chunk, and throws what came in its place. */
  async open(): Promise<void> {
    this.#first = await this.next();
  }

  /** The next chunk if it has come already; undefined where it has to be waited for, and at the end. */
  take(): ChatCompletionChunk | undefined {
    if (this.#scope.signal.aborted) return undefined;
    if (this.#first !== undefined) {
      const first = this.#first;
      this.#first = undefined;
      return first;
    }
    while (this.#position < this.#events.length && !this.#end) {
      const position = this.#position++;
      const chunk = this.#receive(this.#events[position] as EventSourceMessage, position >= this.#cutFrom);
      if (chunk !== undefined) return chunk;
    }
    return undefined;
  }

  /**
   * The next chunk, or undefined at the end of a whole stream.
   *
   * @throws what the stream ended with; chunks that came before are given out first.
   */
  async next(): Promise<ChatCompletionChunk | undefined> {
    this.#scope.throwIfAborted();
    const chunk = this.take() ?? (await this.#wait());
    if (chunk === undefined && this.#end?.error) throw this.#end.error;
    return chunk;
  }

  /** Frees the connection. */
  cancel(): void {
    this.#response.cancel();
  }

  /** Reads until there is a chunk, or an end. */
  async #wait(): Promise<ChatCompletionChunk | undefined> {
    // Until the first chunk it is the call's own time that counts.
    if (this.#count > 0) this.#scope.start('idle', this.#idleTimeoutMs);
    let chunk: ChatCompletionChunk | undefined;
    while (chunk === undefined && !this.#end) {
      this.#scope.throwIfAborted();
      if (this.#conclude) this.#conclude();
      else await this.#read();
      chunk = this.take();
    }
    // An attempt that brought no chunk may be followed by another one, in the time that is left.
    if (this.#count > 0) this.#scope.stop();
    if (this.#end) void (this.#end.error ? this.cancel() : this.#drain());
    return chunk;
  }

  /** Reads on to the end of the body: a connection is used again only where its answer was read whole. */
  async #drain(): Promise<void> {
    // Such a signal, other than a timer, keeps no process alive.
    const limit = AbortSignal.timeout(LONGEST_END_MS);
    const giveUp = (): void => this.cancel();
    limit.addEventListener('abort', giveUp);
    try {
      while ((await this.#response.read()) !== undefined);
    } catch {
      // The answer is whole, whatever becomes of its connection.
    } finally {
      limit.removeEventListener('abort', giveUp);
    }
  }

  async #read(): Promise<void> {
    this.#events = [];
    this.#position = 0;
    try {
      const value = await this.#response.read();
      this.#scope.throwIfAborted();
      if (value) this.#feed(this.#decoder.decode(value, { stream: true }));
      else if (!this.#conclude) this.#finish();
    } catch (thrown) {
      this.#scope.throwIfAborted();
      const lost = toConnectionError(thrown, this.#context);
      // Before the first chunk nothing was handed out, and the call may be repeated.
      this.#end ??= { error: this.#count === 0 ? lost : this.#truncated(lost) };
    }
  }

  #finish(): void {
    this.#cutFrom = this.#events.length;
    // Some servers leave out the empty line after the last event.
    this.#feed(`${this.#decoder.decode()}\n\n`);
    this.#conclude ??= () => {
      this.#end = this.#builder.finished ? {} : { error: this.#truncated() };
    };
  }

  #feed(text: string): void {
    this.#parser.feed(text);
  }

  /** The chunk that an event is; undefined where it is none, whatever that means. */
  #receive({ event, data }: EventSourceMessage, isPerhapsCut: boolean): ChatCompletionChunk | undefined {
    if (data.length > LARGEST_EVENT) return this.#fail(TOO_LARGE);
    const chunk = parseJson(data);
    if (chunk === undefined) return this.#receiveText(event, data.trim(), isPerhapsCut);
    if (isTooDeep(data, chunk)) return this.#fail('an event is nested too deeply');
    const error = event === 'error' ? (parseServiceError(data) ?? {}) : errorIn(chunk, COMPLETION_FIELDS);
    if (error !== undefined) return this.#fail(error.message ?? NO_REASON, error);
    if (!isRecord(chunk)) return this.#fail('an event is not a chunk of an answer');
    if (!Array.isArray(chunk.choices)) chunk.choices = [];
    this.#count++;
    this.#builder.add(chunk);
    return chunk as unknown as ChatCompletionChunk;
  }

  /** What is no JSON: the end, words about an error, or a mistake. */
  #receiveText(event: string | undefined, text: string, isPerhapsCut: boolean): undefined {
    if (text === '[DONE]') {
      const empty = `${this.#response.status} with a stream without chunks`;
      this.#end = this.#count > 0 ? {} : { error: invalidResponse(this.#response, this.#context, empty) };
    } else if (event === 'error') {
      this.#fail(text || NO_REASON);
    } else if (text !== '' && !isPerhapsCut) {
      // An empty event has nothing that could be lost: some servers keep a connection alive with such.
      this.#fail('an event is not JSON');
    }
  }

  #fail(what: string, error: ServiceError = {}): undefined {
    const context = this.#context;
    const clean = (text: string | undefined): string | undefined => text && shownText(text, context);
    this.#end ??= {
      error: new StreamFailedError(`${context.label}: the stream failed: ${clean(what)}`, {
        completion: context.redactValue(this.completion),
        requestId: clean(requestIdOf(this.#response.headers)),
        serviceCode: clean(error.code),
        serviceType: clean(error.type),
        param: clean(error.param),
      }),
    };
  }

  #truncated(cause?: DrunError): StreamTruncatedError {
    const context = this.#context;
    const message = `${context.label}: the stream ended before the completion was complete.`;
    const requestId = requestIdOf(this.#response.headers);
    return new StreamTruncatedError(message, {
      completion: context.redactValue(this.completion),
      requestId: requestId && shownText(requestId, context),
      cause,
    });
  }
}
