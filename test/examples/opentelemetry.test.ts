import { type Span, type SpanStatus, SpanStatusCode, trace } from '@opentelemetry/api';
import { ChatClient } from 'drun-sdk/chat';
import { createEmulator } from 'drun-sdk/emulator';
import { expect, it } from 'vitest';

interface RecordedSpan {
  name: string;
  attributes: Record<string, unknown>;
  status?: SpanStatus;
  isEnded: boolean;
}

/** Installs a tracer provider that records spans. */
function recordSpans(): RecordedSpan[] {
  const spans: RecordedSpan[] = [];
  const startSpan = (name: string, { attributes = {} }: { attributes?: object } = {}): Span => {
    const span: RecordedSpan = { name, attributes: { ...attributes }, isEnded: false };
    spans.push(span);
    return {
      setAttribute: (key: string, value: unknown) => Object.assign(span.attributes, { [key]: value }),
      setAttributes: (more: object) => Object.assign(span.attributes, more),
      setStatus: (status: SpanStatus) => Object.assign(span, { status }),
      updateName: (changed: string) => Object.assign(span, { name: changed }),
      end: () => Object.assign(span, { isEnded: true }),
    } as unknown as Span;
  };
  trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan }) as never });
  return spans;
}

it('records completions, streams and failures with usage and the time to the first chunk', async () => {
  const spans = recordSpans();
  await import('../../examples/opentelemetry.ts');
  const drun = createEmulator();
  const apiKey = drun.keys.create({ name: 'example' }).secret;
  const chat = new ChatClient({ apiKey, baseUrl: 'https://drun.test', fetch: drun.fetch, maxRetries: 0 });
  const request = {
    model: 'public/deepseek-r1',
    messages: [{ role: 'user' as const, content: 'Hello!' }],
    stream_options: { include_usage: true },
  };
  const { stream_options: _, ...completionRequest } = request;

  await chat.complete(completionRequest);
  await chat.stream(request).completion();
  drun.faults.next({ plane: 'data', status: 503 });
  await chat.complete(completionRequest).catch(() => {});

  const usage = {
    'gen_ai.usage.input_tokens': expect.any(Number),
    'gen_ai.usage.output_tokens': expect.any(Number),
    'gen_ai.response.finish_reasons': ['stop'],
  };
  expect(spans).toMatchObject([
    { name: 'chat public/deepseek-r1', attributes: usage, isEnded: true },
    {
      name: 'chat public/deepseek-r1',
      attributes: { ...usage, 'gen_ai.response.time_to_first_chunk': expect.any(Number) },
      isEnded: true,
    },
    {
      name: 'POST /v1/chat/completions',
      attributes: { 'error.type': 'server_error', 'http.response.status_code': 503 },
      status: { code: SpanStatusCode.ERROR },
      isEnded: true,
    },
  ]);
});
