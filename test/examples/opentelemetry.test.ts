import { type Span, type SpanStatus, SpanStatusCode, trace } from '@opentelemetry/api';
import { ChatClient } from 'drun-sdk/chat';
import { createEmulator } from 'drun-sdk/emulator';
import { expect, it } from 'vitest';

interface Recorded {
  name: string;
  attributes: Record<string, unknown>;
  status?: SpanStatus;
  isEnded: boolean;
}

/** Records spans, as the SDK of OpenTelemetry does. */
function recordSpans(): Recorded[] {
  const recorded: Recorded[] = [];
  const startSpan = (name: string, { attributes = {} }: { attributes?: object } = {}): Span => {
    const one: Recorded = { name, attributes: { ...attributes }, isEnded: false };
    recorded.push(one);
    return {
      setAttribute: (key: string, value: unknown) => Object.assign(one.attributes, { [key]: value }),
      setAttributes: (more: object) => Object.assign(one.attributes, more),
      setStatus: (status: SpanStatus) => Object.assign(one, { status }),
      updateName: (changed: string) => Object.assign(one, { name: changed }),
      end: () => Object.assign(one, { isEnded: true }),
    } as unknown as Span;
  };
  trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan }) as never });
  return recorded;
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
  const { stream_options: _, ...wholeRequest } = request;

  await chat.complete(wholeRequest);
  await chat.stream(request).completion();
  drun.faults.next({ plane: 'data', status: 503 });
  await chat.complete(wholeRequest).catch(() => {});

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
