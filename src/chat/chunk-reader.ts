import {
  type DrunError,
  type PartialCompletion,
  StreamFailedError,
  StreamTruncatedError,
  TimeoutError,
} from '../errors/index.ts';
import type { ResponseContext } from '../http/context.ts';
import { invalidResponse, toApiError } from '../http/errors.ts';
import { toConnectionError } from '../http/failures.ts';
import { errorIn, type ServiceError } from '../http/service-error.ts';
import { requestIdOf, type TransportResponse } from '../http/transport.ts';
import { streamChannel } from '../internal/runtime.ts';
import { abortable } from '../internal/wait.ts';
import { CompletionAccumulator } from './accumulator.ts';
import type { ChatCompletion, ChatCompletionChunk } from './completion.ts';
import { EventDecoder, isFailure, type StreamEvent } from './events.ts';
import { finishKind } from './finish-reason.ts';
import { type Fields, normalizeChunk } from './normalize.ts';

/**
 * How long to continue reading the body after the completion has finished. A connection can be reused only if the body
 * has been read to its end.
 */
const MAX_DRAIN_MS = 250;

/**
 * Reads the response to a chat completion request, streamed or whole, and assembles the completion.
 *
 * Data is read only on demand, so that a slow consumer slows the server down.
 */
export class ChunkReader {
  readonly #response: TransportResponse;
  readonly #context: ResponseContext;
  readonly #idleTimeoutMs: number | undefined;
  readonly #decoder = new TextDecoder();
  readonly #events = new EventDecoder((event) => this.#receive(event));
  readonly #accumulator: CompletionAccumulator;
  /** Chunks that have not been returned yet. */
  #chunks: ChatCompletionChunk[] = [];
  /** Whether a chunk (an event with `choices`) has arrived. */
  #hasChunk = false;
  #hasEvent = false;
  /** Whether the body has been read to the end. */
  #isDrained = false;
  #isWhole = false;
  #isOver = false;
  /** The error that ended the stream; `undefined` if the stream is complete. */
  #error: DrunError | undefined;
  #completion: ChatCompletion | undefined;

  /**
   * @param requested - Number of requested choices.
   * @param idleTimeoutMs - Maximum time between two chunks of a stream, in milliseconds; `undefined` for no limit.
   */
  constructor(
    response: TransportResponse,
    context: ResponseContext,
    requested: number,
    idleTimeoutMs?: number,
  ) {
    this.#response = response;
    this.#context = context;
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#accumulator = new CompletionAccumulator(requested);
  }

  /**
   * Waits for the first chunk of a stream, or for the end of a non-streaming response.
   *
   * @throws {DrunError} If reading fails. The request can then be retried.
   */
  async open(isWhole: boolean): Promise<this> {
    this.#isWhole = isWhole;
    await this.#fill();
    if (this.#error !== undefined && (isWhole || !this.#hasChunk)) throw this.#error;
    if (isWhole && this.#context.diagnostics) this.#context.diagnostics.completion = this.#summary();
    return this;
  }

  /**
   * Waits for at least one chunk and returns all that have arrived, or `undefined` at the end of a complete stream.
   *
   * @throws {DrunError} If the stream failed. Chunks that arrived before the failure are returned first.
   */
  async read(): Promise<readonly ChatCompletionChunk[] | undefined> {
    if (this.#chunks.length === 0) await this.#fill();
    const chunks = this.#chunks;
    this.#chunks = [];
    if (chunks.length > 0) return chunks;
    if (this.#error !== undefined) throw this.#error;
    return undefined;
  }

  /** Called at the end of the stream. @param error - The error, if the stream ended early. */
  close(error?: unknown): void {
    // Some `fetch` functions do not cancel the body when the signal aborts.
    if (error !== undefined) this.#response.cancel();
    const { diagnostics } = this.#context;
    if (diagnostics === undefined) return;
    diagnostics.completion = this.#summary();
    streamChannel?.publish(error === undefined ? diagnostics : Object.assign(diagnostics, { error }));
  }

  /** Index of the choice whose text `textStream` yields. */
  get firstIndex(): number {
    return this.#accumulator.firstIndex;
  }

  /** The completion. May be accessed only after the end of the stream. */
  get completion(): ChatCompletion {
    this.#completion ??= this.#accumulator.build(true) as unknown as ChatCompletion;
    return this.#completion;
  }

  /** The completion received so far, redacted for an error. */
  get partialCompletion(): PartialCompletion {
    return this.redact(this.#completion ?? this.#accumulator.build(false));
  }

  /** Masks credentials in a value that will be included in an error. */
  redact<T>(value: T): T {
    return this.#context.redactValue(value);
  }

  /** Returns the fields that are published for diagnostics. They contain neither prompts nor generated text. */
  #summary(): object {
    const { id, model, usage, choices } = this.#completion ?? this.#accumulator.build(false);
    return this.redact({ id, model, usage, finishReasons: choices.map((choice) => choice.finish_reason) });
  }

  /** Reads until chunks are available or the response ends. */
  async #fill(): Promise<void> {
    const { deadline } = this.#context;
    // Until the first chunk arrives, the call's time limit applies.
    if (this.#hasChunk && !this.#isOver) deadline.start('idle', this.#idleTimeoutMs);
    const isEnough = (): boolean => this.#hasChunk && this.#chunks.length > 0 && !this.#isWhole;
    while (!this.#isOver && !isEnough()) await this.#readPart();
    if (this.#hasChunk) deadline.stop();
    if (this.#error !== undefined) this.#response.cancel();
    else if (this.#isOver && !this.#isDrained) void this.#drain();
  }

  async #readPart(): Promise<void> {
    const { deadline } = this.#context;
    const { signal } = deadline;
    try {
      const bytes = await deadline.race(this.#response.read());
      this.#isDrained = bytes === undefined;
      if (bytes === undefined) this.#endOfBody();
      else this.#events.push(this.#decoder.decode(bytes, { stream: true }));
    } catch (thrown) {
      if (signal.aborted) this.#response.cancel();
      if (signal.aborted && !(signal.reason instanceof TimeoutError)) throw signal.reason;
      this.#endOfBody(signal.aborted ? signal.reason : toConnectionError(thrown, this.#context));
    }
  }

  /** @param error - The error that interrupted the body. */
  #endOfBody(error?: DrunError): void {
    this.#events.push(this.#decoder.decode());
    this.#events.end();
    // A lost connection does not matter once every choice has finished.
    if (this.#accumulator.isFinished) this.#finish();
    else if (error === undefined) this.#finish(this.#incomplete());
    else if (this.#isWhole || !this.#hasChunk) this.#finish(error);
    else if (error instanceof TimeoutError) this.#finish(this.#timeout(error));
    else this.#finish(this.#truncated('the connection was lost', error));
  }

  #finish(error?: DrunError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
  }

  #receive(event: StreamEvent): void {
    if (this.#isOver) return;
    if (event.type === 'chunk') this.#receiveChunk(event.chunk);
    else if (event.type === 'error') this.#finish(this.#failed(event.error));
    else if (event.type === 'end')
      this.#finish(this.#accumulator.hasFinished ? undefined : this.#incomplete());
    else if (event.type === 'invalid') {
      if (!this.#hasChunk) this.#finish(this.#invalid(event.reason));
      // Some servers send an end marker other than `[DONE]`.
      else if (this.#accumulator.isFinished) this.#finish();
      else this.#finish(this.#failed({ message: `received ${event.reason}` }));
    }
  }

  #receiveChunk(fields: Fields): void {
    this.#hasEvent = true;
    this.#hasChunk ||= Array.isArray(fields.choices);
    const chunk = normalizeChunk(fields);
    // A choice without a message counts as a reply only if it was withheld. Checked before `add` adds missing deltas.
    const isReply =
      this.#events.format !== 'json' ||
      chunk.choices.some((one) => one.message ?? one.delta ?? finishKind(one.finish_reason) === 'withheld');
    this.#accumulator.add(chunk);
    this.#chunks.push(chunk as unknown as ChatCompletionChunk);
    const failed = chunk.choices.find(
      ({ finish_reason: reason, error }) => finishKind(reason) === 'failed' || isFailure(error),
    );
    if (failed !== undefined) {
      const { message, ...error } = errorIn({ error: failed.error }, []) ?? {};
      const { finish_reason } = failed;
      const reasons = [finish_reason && `the \`finish_reason\` is "${finish_reason}"`, message];
      this.#finish(this.#failed({ ...error, message: reasons.filter(Boolean).join(', ') }, false));
    } else if (this.#events.format === 'json') {
      // A whole response has no end marker.
      this.#finish(isReply ? undefined : this.#invalid('a body that has no message in `choices`'));
    }
  }

  /** Creates the error for a stream that ended before the completion was finished. */
  #incomplete(): DrunError {
    if (this.#accumulator.hasChoices)
      return this.#truncated('the stream ended before the completion was finished');
    if (this.#hasEvent || this.#events.format === 'json')
      return this.#invalid('a body that has no `choices`');
    const excerpt = this.#events.excerpt.trim();
    if (this.#isWhole && this.#events.format === 'blank')
      return this.#invalid('an empty body; is `baseUrl` correct?');
    // The body is empty, or was cut off within its first field name.
    if (['data:', 'event:'].some((field) => field.startsWith(excerpt))) {
      return this.#truncated('the stream ended before the first chunk');
    }
    return this.#invalid('a body that is neither JSON nor an event stream', excerpt);
  }

  #failed(error: ServiceError, isBody = this.#events.format === 'json'): DrunError {
    const { code, type, param, message } = error;
    const isStatus = !this.#hasChunk && /^[45]\d\d$/.test(code ?? '');
    if (isBody || isStatus) return toApiError(error, this.#response, this.#context);
    const reason = this.#context.shown(message) || 'the service reported an error';
    return new StreamFailedError(`${this.#context.label} failed: ${reason.replace(/\.$/, '')}.`, {
      ...this.#common(),
      serviceCode: this.#context.shown(code),
      serviceType: this.#context.shown(type),
      param: this.#context.shown(param),
    });
  }

  #truncated(reason: string, cause?: DrunError): DrunError {
    return new StreamTruncatedError(`${this.#context.label}: ${reason}.`, { ...this.#common(), cause });
  }

  #timeout({ message, phase, timeoutMs, cause }: TimeoutError): DrunError {
    return new TimeoutError(message, { phase, timeoutMs, completion: this.partialCompletion, cause });
  }

  #invalid(what: string, body?: string): DrunError {
    return invalidResponse(this.#response, this.#context, `${this.#response.status} with ${what}`, { body });
  }

  #common(): { readonly completion: PartialCompletion; readonly requestId: string | undefined } {
    return {
      completion: this.partialCompletion,
      requestId: this.#context.shown(requestIdOf(this.#response.headers)),
    };
  }

  async #drain(): Promise<void> {
    // Unlike a timer from `setTimeout`, a signal from `AbortSignal.timeout` does not keep the process alive.
    const limit = AbortSignal.timeout(MAX_DRAIN_MS);
    try {
      while ((await abortable(this.#response.read(), limit)) !== undefined);
    } catch {
      // Connection failures no longer matter once the completion has finished.
      this.#response.cancel();
    }
  }
}
