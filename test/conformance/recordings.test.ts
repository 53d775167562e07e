import { readdirSync, readFileSync } from 'node:fs';
import { ChatClient, type ChatCompletion, type ChatCompletionChunk, type ChatStream } from 'drun-sdk/chat';
import { isDrunError } from 'drun-sdk/errors';
import { describe, expect, it } from 'vitest';
import { KEY } from '../support/credentials.ts';
import { rejection } from '../support/failures.ts';

interface Recording {
  readonly name: string;
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
}

const root = new URL('./', import.meta.url);

function read(folder: string): Recording[] {
  return readdirSync(new URL(`${folder}/`, root)).map((file) => {
    const bytes = readFileSync(new URL(`${folder}/${file}`, root));
    const crlf = bytes.indexOf('\r\n\r\n');
    const end = crlf === -1 ? bytes.indexOf('\n\n') : crlf;
    const head = bytes.subarray(0, end).toString();
    return {
      name: file.replace('.http', ''),
      status: Number(/^HTTP\/1.1 (\d+)/.exec(head)?.[1]),
      contentType: /^content-type: (.*)$/im.exec(head)?.[1]?.trim() ?? '',
      body: bytes.subarray(end + (crlf === -1 ? 2 : 4)),
    };
  });
}

const recordings = new Map(
  [...read('gateway-recordings'), ...read('server-recordings')].map((one) => [one.name, one]),
);

function clientFor({ status, contentType, body }: Recording): ChatClient {
  const fetch = async (): Promise<Response> =>
    new Response(new Uint8Array(body), { status, headers: { 'content-type': contentType } });
  return new ChatClient({ apiKey: KEY, fetch, maxRetries: 0 });
}

const request = { model: 'm', messages: [{ role: 'user' as const, content: 'Hello' }] };
const streamOf = (recording: Recording, n = 1): ChatStream => clientFor(recording).stream({ ...request, n });

function get(name: string): Recording {
  const recording = recordings.get(name);
  if (recording === undefined) throw new Error(`No recording ${name}.`);
  return recording;
}

/** Returns all strings in a value, except in the fields that describe a chunk. */
function stringsIn(value: unknown, name = ''): string[] {
  if (typeof value === 'string') return name === 'object' ? [] : [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([field, item]) => stringsIn(item, field));
}

describe('a recorded stream', () => {
  it.each([
    ['stream-ok', 'Hello', 'stop'],
    ['stream-no-done', 'Hello', 'stop'],
    ['stream-usage-each', 'Hello', 'stop'],
    ['stream-reasoning', 'Hello', 'stop'],
    ['stream-x-stop-reset', 'Hello', 'stop'],
    ['vllm012-reason', 'Hello', 'stop'],
  ])('%s is complete', async (file, text, reason) => {
    const recording = get(recordings.has(file) ? file : `${file}.stream`);

    const completion = await streamOf(recording).completion();

    expect(completion.choices[0]).toMatchObject({ message: { content: text }, finish_reason: reason });
  });

  it.each([
    ['stream-cut', 'StreamTruncatedError'],
    ['stream-reset', 'StreamTruncatedError'],
    ['stream-error-event', 'StreamTruncatedError'],
    ['stream-error-first', 'StreamTruncatedError'],
    ['stream-x-empty', 'StreamTruncatedError'],
    ['stream-error-object', 'StreamFailedError'],
    ['stream-x-bad-usage', 'StreamFailedError'],
    ['litserve-boom1.stream', 'StreamFailedError'],
    ['vllm032-kill-engine.stream', 'StreamFailedError'],
  ])('%s fails, with the text received before the failure', async (file, name) => {
    const recording = get(file);
    const hasText = recording.body.includes('"content":"Hel"') || recording.body.includes('"content": "Hel"');

    const error = await rejection(streamOf(recording).completion());

    expect(error).toMatchObject({ name });
    const { completion } = error as { completion: ChatCompletion };
    if (hasText) expect(completion.choices[0].message.content).toMatch(/^Hel/);
  });

  it('of one choice does not complete a request for two', async () => {
    const error = await rejection(streamOf(get('stream-x-n2'), 2).completion());

    expect(error).toMatchObject({ name: 'StreamTruncatedError' });
  });

  it('of two choices assigns each chunk to the correct choice', async () => {
    const completion = await streamOf(get('vllm032-n2.stream'), 2).completion();

    expect(completion.choices.map(({ index }) => index)).toEqual([0, 1]);
  });

  it.each(['stream-tool', 'vllm032-tool-two-script.stream'])('%s has its tool calls', async (file) => {
    const { choices } = await streamOf(get(file)).completion();

    const calls = choices[0].message.tool_calls ?? [];
    const weather = calls.find((call) => call.function.name === 'weather');
    expect(JSON.parse(weather?.function.arguments ?? '')).toEqual({ city: 'Oslo' });
    expect(choices[0].finish_reason).toBe('tool_calls');
  });
});

describe.each([...recordings.values()].filter(({ status, body }) => status === 200 && body.length > 0))(
  'the recording $name',
  (recording) => {
    it('yields the same completion or error with complete() and stream()', async () => {
      const settled = await Promise.allSettled([
        clientFor(recording).complete(request),
        streamOf(recording).completion(),
      ]);

      const [completed, streamed] = settled.map((one) =>
        one.status === 'fulfilled' ? one.value : { error: (one.reason as Error).name },
      );
      expect(completed).toEqual(streamed);
    });

    it('loses no text of the chunks', async () => {
      const stream = streamOf(recording);
      const chunks: ChatCompletionChunk[] = [];
      const failure = await (async () => {
        for await (const chunk of stream) chunks.push(structuredClone(chunk));
      })().catch((error: unknown) => error);

      const completion = isDrunError(failure)
        ? 'completion' in failure && failure.completion
        : await stream.completion();
      const kept = JSON.stringify(completion);
      for (const text of chunks.flatMap((chunk) => stringsIn(chunk))) {
        expect(kept).toContain(JSON.stringify(text).slice(1, -1));
      }
    });
  },
);

describe('a recorded completion', () => {
  it.each([
    'completions',
    'llamacpp-tool-forced.whole',
    'vllm032-plain.whole',
    'vllm032-tool-two-script.whole',
  ])('%s is returned with all its fields', async (file) => {
    const recording = get(file);

    expect(await clientFor(recording).complete(request)).toEqual(JSON.parse(recording.body.toString()));
  });
});

describe('a recorded error', () => {
  it.each([
    ['up-400-object', 'InvalidRequestError'],
    ['up-401-new', 'AuthenticationError'],
    ['up-413-text', 'ServerError'],
    ['up-422-detail', 'InvalidRequestError'],
    ['up-error-200', 'ServerError'],
    ['up-refused', 'ServerError'],
    ['deny', 'PermissionDeniedError'],
    ['model-unknown', 'NotFoundError'],
    ['rate-4', 'RateLimitError'],
    ['auth-key-sk-unknown-AbC_123456789-uaYc', 'AuthenticationError'],
    ['vllm032-too-long.whole', 'InvalidRequestError'],
    ['vllm085-too-long.whole', 'InvalidRequestError'],
    ['vllm032-unknown-model.whole', 'NotFoundError'],
  ])('%s causes the same error in both methods', async (file, name) => {
    const errors = await Promise.all([
      rejection(clientFor(get(file)).complete(request)),
      rejection(streamOf(get(file)).completion()),
    ]);

    for (const error of errors) expect(error).toMatchObject({ name });
    expect(String(errors[0])).toBe(String(errors[1]));
  });
});
