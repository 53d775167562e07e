import { createParser, type EventSourceMessage, type EventSourceParser } from 'eventsource-parser';
import {
  type DrunError,
  InvalidResponseError,
  type PartialCompletion,
  StreamFailedError,
  StreamTruncatedError,
} from '../errors/index.ts';
import { requestIdOf } from '../http/call-response.ts';
import type { CallScope } from '../http/call-scope.ts';
import {
  answerOf,
  errorMessageOf,
  hasErrorEnvelope,
  type RequestContext,
  toApiError,
  toConnectionError,
} from '../http/error-mapping.ts';
import { isObject, isTooDeep, parseJson } from '../http/json.ts';
import type { PieceScrubber } from '../http/scrubber.ts';
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
  response: Response,
  idleTimeoutMs: number | undefined,
  context: RequestContext,
  scope: CallScope,
): Promise<ChunkSource> {
  if (!/^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '') || response.body === null) {
    const text = await scope.race(response.text());
    if (hasErrorEnvelope(parseJson(text))) throw toApiError(response.status, response.headers, text, context);
    const what = `${context.label}: ${response.status} with something else than an event stream`;
    throw new InvalidResponseError(what, answerOf(response, context));
  }
  const source = new ChunkSource(response, response.body, idleTimeoutMs, context, scope);
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
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #context: RequestContext;
  readonly #scope: CallScope;
  readonly #response: Response;
  readonly #idleTimeoutMs: number | undefined;
  readonly #parser: EventSourceParser;
  readonly #decoder = new TextDecoder();
  readonly #pieces: PieceScrubber;
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
  constructor(
    response: Response,
    body: ReadableStream<Uint8Array>,
    idleTimeoutMs: number | undefined,
    context: RequestContext,
    scope: CallScope,
  ) {
    this.#response = response;
    this.#reader = body.getReader();
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#context = context;
    this.#scope = scope;
    this.#pieces = context.scrubber.pieces();
    this.#parser = createParser({
      maxBufferSize: LARGEST_EVENT,
      onEvent: (event) => this.#events.push(event),
      onError: (error) => {
        if (error.type === 'max-buffer-size-exceeded') this.#conclude = () => this.#fail(TOO_LARGE);
      },
    });
    // Not every fetch ends its body with the signal: this ends a read that waits for one that does not.
    scope.signal.addEventListener('abort', () => void this.cancel(), { once: true });
  }

  /** What has come so far. A credential of which every chunk had a part is whole in here, and masked. */
  get completion(): PartialCompletion {
    const completion = this.#builder.build();
    return this.#context.scrubber.answer(JSON.stringify(completion), completion) as PartialCompletion;
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
    this.#scope.throwIfEnded();
    const chunk = this.take() ?? (await this.#wait());
    if (chunk === undefined && this.#end?.error) throw this.#end.error;
    return chunk;
  }

  /** Frees the connection. */
  async cancel(): Promise<void> {
    await this.#reader.cancel().catch(() => {});
  }

  /** Reads until there is a chunk, or an end. */
  async #wait(): Promise<ChatCompletionChunk | undefined> {
    // Until the first chunk it is the call's own time that counts.
    if (this.#count > 0) this.#scope.startTimer('idle', this.#idleTimeoutMs);
    let chunk: ChatCompletionChunk | undefined;
    while (chunk === undefined && !this.#end) {
      this.#scope.throwIfEnded();
      if (this.#conclude) this.#conclude();
      else await this.#read();
      chunk = this.take();
    }
    // An attempt that brought no chunk may be followed by another one, in the time that is left.
    if (this.#count > 0) this.#scope.stopTimer();
    if (this.#end) void (this.#end.error ? this.cancel() : this.#drain());
    return chunk;
  }

  /** Reads on to the end of the body: a connection is used again only where its answer was read whole. */
  async #drain(): Promise<void> {
    // Such a signal, other than a timer, keeps no process alive.
    const limit = AbortSignal.timeout(LONGEST_END_MS);
    const giveUp = (): void => void this.cancel();
    limit.addEventListener('abort', giveUp);
    try {
      while (!(await this.#reader.read()).done);
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
      const { done, value } = await this.#reader.read();
      this.#scope.throwIfEnded();
      if (value) this.#feed(this.#decoder.decode(value, { stream: true }));
      if (done && !this.#conclude) this.#finish();
    } catch (thrown) {
      this.#scope.throwIfEnded();
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
    this.#pieces.see(text);
    this.#parser.feed(text);
  }

  /** The chunk that an event is; undefined where it is none, whatever that means. */
  #receive({ event, data }: EventSourceMessage, isPerhapsCut: boolean): ChatCompletionChunk | undefined {
    if (data.length > LARGEST_EVENT) return this.#fail(TOO_LARGE);
    const chunk = parseJson(data);
    if (chunk === undefined) return this.#receiveText(event, data.trim(), isPerhapsCut);
    if (isTooDeep(data, chunk)) return this.#fail('an event is nested too deeply');
    if (event === 'error' || hasErrorEnvelope(chunk)) return this.#fail(errorMessageOf(data) ?? NO_REASON);
    if (!isObject(chunk)) return this.#fail('an event is not a chunk of an answer');
    if (!Array.isArray(chunk.choices)) chunk.choices = [];
    this.#count++;
    this.#builder.add(chunk);
    return this.#pieces.piece(data, chunk) as ChatCompletionChunk;
  }

  /** What is no JSON: the end, words about an error, or a mistake. */
  #receiveText(event: string | undefined, text: string, isPerhapsCut: boolean): undefined {
    if (text === '[DONE]') {
      const empty = `${this.#context.label}: a stream without a single chunk`;
      this.#end =
        this.#count > 0
          ? {}
          : { error: new InvalidResponseError(empty, answerOf(this.#response, this.#context)) };
    } else if (event === 'error') {
      this.#fail(text || NO_REASON);
    } else if (text !== '' && !isPerhapsCut) {
      // An empty event has nothing that could be lost: some servers keep a connection alive with such.
      this.#fail('an event is not JSON');
    }
  }

  #fail(what: string): undefined {
    const { label, scrubber } = this.#context;
    this.#end ??= {
      error: new StreamFailedError(`${label}: the stream failed: ${scrubber.text(what)}`, {
        completion: this.completion,
        requestId: requestIdOf(this.#response.headers, scrubber),
      }),
    };
  }

  #truncated(cause?: DrunError): StreamTruncatedError {
    const message = `${this.#context.label}: the stream ended before the answer was whole`;
    const { completion } = this;
    const requestId = requestIdOf(this.#response.headers, this.#context.scrubber);
    return new StreamTruncatedError(message, { completion, requestId, cause });
  }
}
