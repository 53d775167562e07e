/**
 * OpenTelemetry spans for chat completions, with token usage and time to first chunk. Import this file before
 * the first call, and set up the OpenTelemetry SDK as usual; without it, nothing is recorded.
 */
import { subscribe, tracingChannel } from 'node:diagnostics_channel';
import { context, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';

/** A message on `drun-sdk:request` or `drun-sdk:stream`. All messages for one request are the same object. */
interface RequestMessage {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly attempt: number;
  readonly status?: number;
  readonly error?: unknown;
  /** Set when a completion has ended, whether or not it was streamed. */
  readonly completion?: {
    readonly id?: string;
    readonly model?: string;
    readonly usage?: { readonly prompt_tokens?: number; readonly completion_tokens?: number };
    readonly finishReasons: readonly (string | null)[];
  };
}

const tracer = trace.getTracer('drun-sdk');
const spans = new WeakMap<object, { readonly span: Span; readonly startedAt: number }>();

tracingChannel<unknown, RequestMessage>('drun-sdk:request').subscribe({
  start(message) {
    const { method, path, host, attempt } = message;
    const attributes = {
      'http.request.method': method,
      'http.request.resend_count': attempt - 1,
      'server.address': host,
      'url.template': path,
    };
    const span = tracer.startSpan(
      `${method} ${path}`,
      { kind: SpanKind.CLIENT, attributes },
      context.active(),
    );
    spans.set(message, { span, startedAt: performance.now() });
  },
  end() {},
  asyncStart() {},
  asyncEnd(message) {
    const started = spans.get(message);
    if (started === undefined) return;
    if (message.status !== undefined) started.span.setAttribute('http.response.status_code', message.status);
    const isOpenStream =
      message.path === '/v1/chat/completions' &&
      message.error === undefined &&
      message.completion === undefined;
    if (isOpenStream) {
      const seconds = (performance.now() - started.startedAt) / 1_000;
      started.span.setAttribute('gen_ai.response.time_to_first_chunk', seconds);
    } else {
      end(message);
    }
  },
  error() {},
});

subscribe('drun-sdk:stream', (message) => end(message as RequestMessage));

function end(message: RequestMessage): void {
  const { span } = spans.get(message) ?? {};
  if (span === undefined) return;
  const { completion, error } = message;
  if (completion !== undefined) {
    const { id, model, usage, finishReasons } = completion;
    span.updateName(`chat ${model}`);
    span.setAttributes({
      'gen_ai.operation.name': 'chat',
      'gen_ai.response.id': id,
      'gen_ai.response.model': model,
      'gen_ai.response.finish_reasons': finishReasons.map(String),
      'gen_ai.usage.input_tokens': usage?.prompt_tokens,
      'gen_ai.usage.output_tokens': usage?.completion_tokens,
    });
  }
  if (error !== undefined) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'aborted';
    span.setAttribute('error.type', code);
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : code });
  }
  span.end();
  spans.delete(message);
}
