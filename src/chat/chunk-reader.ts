import {
  type DrunError,
  type PartialCompletion,
  StreamFailedError,
  StreamTruncatedError,
  TimeoutError,
} from '../errors/index.ts';
import {
  invalidResponse,
  type ResponseContext,
  shownText,
  toApiError,
  toConnectionError,
} from '../http/errors.ts';
import { requestIdOf } from '../http/headers.ts';
import { errorIn, type ServiceError } from '../http/service-error.ts';
import type { TransportResponse } from '../http/transport.ts';
import { CompletionAccumulator } from './accumulator.ts';
import type { ChatCompletion, ChatCompletionChunk } from './completion.ts';
import { EventDecoder, type StreamEvent } from './events.ts';
import { type Fields, normalizeChunk, toReadableChunk } from './normalize.ts';

/** How a response ended: complete, or with an error. */
type End = { readonly error?: DrunError };

/** How long the body is read on after the completion is complete; its connection can be used again only after its end. */
const MAX_DRAIN_MS = 250;

/** What a response is read for. */
export interface ReaderSettings {
  /** Number of choices that the request asked for. */
  readonly requested: number;
  /** Maximum time between two chunks of a stream in milliseconds; `undefined` sets no limit. */
  readonly idleTimeoutMs?: number | undefined;
}

/**
 * Reads a response to a chat completion request, streamed or whole: from bytes to events to chunks to the completion.
 *
 * Nothing is read before it is asked for, so a slow reader slows the server down.
 */
export class ChunkReader {
  readonly #response: TransportResponse;
  readonly #context: ResponseContext;
  readonly #idleTimeoutMs: number | undefined;
  readonly #bytes = new TextDecoder();
  readonly #events = new EventDecoder((event) => this.#receive(event));
  readonly #accumulator: CompletionAccumulator;
  /** Chunks that have not been returned yet. */
  #chunks: ChatCompletionChunk[] = [];
  /** Whether there has been an event, and one with choices: a chunk. */
  #hasEvent = false;
  #hasChunk = false;
  #end: End | undefined;
  #completion: ChatCompletion | undefined;

  constructor(
    response: TransportResponse,
    context: ResponseContext,
    { requested, idleTimeoutMs }: ReaderSettings,
  ) {
    this.#response = response;
    this.#context = context;
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#accumulator = new CompletionAccumulator(requested);
  }

  /** Reads up to the first chunk. Until then a failure is one of the request, which can be retried. */
  async open(): Promise<void> {
    // Not every fetch ends its body with the signal; this ends a pending read.
    this.#context.deadline.signal.addEventListener('abort', () => this.#response.cancel(), { once: true });
    await this.#fill();
    if (!this.#hasChunk && this.#end?.error !== undefined) throw this.#end.error;
  }

  /**
   * Returns the chunks that have arrived, at least one; `undefined` at the end of a complete stream.
   *
   * @throws {DrunError} If the stream ended otherwise. Chunks that arrived before are returned first.
   */
  async read(): Promise<readonly ChatCompletionChunk[] | undefined> {
    if (this.#chunks.length === 0) await this.#fill();
    const chunks = this.#chunks;
    this.#chunks = [];
    if (chunks.length > 0) return chunks;
    if (this.#end?.error !== undefined) throw this.#end.error;
    return undefined;
  }

  /** Reads the response to its end. */
  async readWhole(): Promise<ChatCompletion> {
    const text = await this.#context.deadline.race(this.#response.text());
    this.#context.deadline.throwIfAborted();
    if (text.trim() === '') throw this.#invalid('an empty body; is `baseUrl` correct?');
    this.#events.push(text);
    this.#finish();
    if (this.#end?.error !== undefined) throw this.#end.error;
    return this.completion;
  }

  /** Index of the choice that text readers follow. */
  get firstIndex(): number {
    return this.#accumulator.firstIndex;
  }

  /** The completion; only to be used after the end. */
  get completion(): ChatCompletion {
    this.#completion ??= this.#accumulator.build(true) as unknown as ChatCompletion;
    return this.#completion;
  }

  /** What has arrived of it, as it may be shown in an error. */
  get partialCompletion(): PartialCompletion {
    return this.redact(this.#completion ?? this.#accumulator.build(false));
  }

  /** Masks credentials in a value that goes into an error. */
  redact<T>(value: T): T {
    return this.#context.redactValue(value);
  }

  /** Reads until there are chunks, or an end. */
  async #fill(): Promise<void> {
    const { deadline } = this.#context;
    // Before the first chunk, the time limit of the call applies.
    if (this.#hasChunk && this.#end === undefined) deadline.start('idle', this.#idleTimeoutMs);
    while (this.#end === undefined && !(this.#hasChunk && this.#chunks.length > 0)) await this.#readPart();
    if (this.#hasChunk) deadline.stop();
    if (this.#end === undefined) return;
    if (this.#end.error === undefined) void this.#drain();
    else this.#response.cancel();
  }

  async #readPart(): Promise<void> {
    const { signal } = this.#context.deadline;
    try {
      const bytes = await this.#response.read();
      signal.throwIfAborted();
      if (bytes === undefined) this.#finish();
      else this.#events.push(this.#bytes.decode(bytes, { stream: true }));
    } catch (thrown) {
      if (signal.aborted) this.#endAborted(signal.reason);
      else this.#endLost(toConnectionError(thrown, this.#context));
    }
  }

  /** The body is over. */
  #finish(): void {
    this.#events.push(this.#bytes.decode());
    this.#events.end();
    this.#end ??= this.#accumulator.isFinished ? {} : { error: this.#incomplete() };
  }

  #endLost(error: DrunError): void {
    // The last event may have arrived without its empty line.
    this.#events.end();
    if (this.#end !== undefined) return;
    if (this.#accumulator.isFinished) this.#end = {};
    else if (!this.#hasChunk) this.#end = { error };
    else if (error instanceof TimeoutError) this.#end = { error: this.#timeout(error) };
    else this.#end = { error: this.#truncated('the connection was lost', error) };
  }

  #endAborted(reason: unknown): void {
    if (!(reason instanceof TimeoutError) || !this.#hasChunk) throw reason;
    // Some servers keep the connection open after the last chunk.
    this.#end = this.#accumulator.isFinished ? {} : { error: this.#timeout(reason) };
  }

  #receive(event: StreamEvent): void {
    if (this.#end !== undefined) return;
    switch (event.type) {
      case 'chunk':
        this.#receiveChunk(event.chunk);
        if (event.isBody) this.#end ??= this.#accumulator.size > 0 ? {} : { error: this.#incomplete() };
        break;
      case 'end':
        this.#end = this.#accumulator.hasFinished ? {} : { error: this.#incomplete() };
        break;
      case 'error':
        this.#end = {
          error: event.isBody
            ? toApiError(event.error, this.#response, this.#context)
            : this.#failed(event.error),
        };
        break;
      case 'invalid':
        this.#end = {
          error: this.#hasChunk ? this.#failed({ message: event.reason }) : this.#invalid(event.reason),
        };
        break;
    }
  }

  #receiveChunk(fields: Fields): void {
    this.#hasEvent = true;
    this.#hasChunk ||= Array.isArray(fields.choices);
    const chunk = normalizeChunk(fields);
    this.#accumulator.add(chunk);
    this.#chunks.push(toReadableChunk(chunk));
    const { failure } = this.#accumulator;
    if (failure === undefined) return;
    const { message, ...error } = errorIn({ error: failure.error }, []) ?? {};
    const reason = `finish_reason "${failure.finishReason}"`;
    this.#end = { error: this.#failed({ ...error, message: message ? `${reason}, ${message}` : reason }) };
  }

  /** The error for an end at which the completion is not complete. */
  #incomplete(): DrunError {
    if (this.#accumulator.size > 0)
      return this.#truncated('the stream ended before the completion was complete');
    if (this.#hasEvent) return this.#invalid('a body without `choices`');
    const { excerpt } = this.#events;
    if (excerpt.trim() !== '')
      return this.#invalid('a body that is neither JSON nor an event stream', excerpt);
    return this.#truncated('the stream ended without a chunk');
  }

  #failed(error: ServiceError): DrunError {
    const { label } = this.#context;
    const { code, type, param, message } = error;
    const isStatus = /^[45]\d\d$/.test(code ?? '');
    if (!this.#hasChunk && isStatus) return toApiError(error, this.#response, this.#context);
    const reason = message ? this.#shown(message) : 'the service reported an error';
    return new StreamFailedError(`${label} failed: ${reason}.`.replace(/([.!?])\.$/, '$1'), {
      ...this.#common(),
      serviceCode: code && this.#shown(code),
      serviceType: type && this.#shown(type),
      param: param && this.#shown(param),
    });
  }

  #truncated(reason: string, cause?: DrunError): DrunError {
    return new StreamTruncatedError(`${this.#context.label}: ${reason}.`, {
      ...this.#common(),
      ...(cause !== undefined && { cause }),
    });
  }

  #timeout({ message, phase, timeoutMs, cause }: TimeoutError): DrunError {
    return new TimeoutError(message, {
      phase,
      timeoutMs,
      completion: this.partialCompletion,
      ...(cause !== undefined && { cause }),
    });
  }

  #invalid(what: string, body?: string): DrunError {
    const { status } = this.#response;
    return invalidResponse(this.#response, this.#context, `${status} with ${what}`, { body });
  }

  #common(): { readonly completion: PartialCompletion; readonly requestId: string | undefined } {
    const requestId = requestIdOf(this.#response.headers);
    return { completion: this.partialCompletion, requestId: requestId && this.#shown(requestId) };
  }

  #shown(text: string): string {
    return shownText(text, this.#context);
  }

  async #drain(): Promise<void> {
    // Unlike a timer, this keeps no process alive.
    const limit = AbortSignal.timeout(MAX_DRAIN_MS);
    const cancel = (): void => this.#response.cancel();
    limit.addEventListener('abort', cancel);
    try {
      while ((await this.#response.read()) !== undefined);
    } catch {
      // The completion is complete, whatever happens to its connection.
    } finally {
      limit.removeEventListener('abort', cancel);
    }
  }
}
