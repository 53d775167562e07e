import { readdirSync } from 'node:fs';
import {
  createEmulator,
  type EmulatedChunk,
  type EmulatedDelta,
  type EmulatorOptions,
} from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { normalized, type Recording, readRecording } from './recording.ts';

/*
 * Compares the emulator with recordings of model servers. With `behind: 'none'`, it must send the same bytes for the same
 * reply.
 */

const KEY = 'sk-emulated-key-0123456789';
const MODEL = 'tiny';

interface WireDelta {
  readonly role?: string;
  readonly content?: string | null;
  readonly reasoning?: string;
  readonly tool_calls?: readonly {
    readonly index: number;
    readonly function: { readonly name?: string; readonly arguments?: string };
  }[];
}

interface WireChoice {
  readonly delta: WireDelta;
  readonly finish_reason: string | null;
}

/** The chunks of a recorded stream in wire format. */
function chunksOf({ body }: Recording): EmulatedChunk[] {
  const data = body.split('\n\n').map((event) => event.slice('data: '.length));
  return data
    .filter((text) => text.startsWith('{"id"') || text.startsWith('{"ch'))
    .map((text) => JSON.parse(text));
}

/** The chunks of a recorded stream in the emulator's reply format. */
function deltasOf(recording: Recording): EmulatedDelta[] {
  const choices = chunksOf(recording).flatMap((chunk) => chunk.choices as unknown as WireChoice[]);
  return choices.flatMap(
    ({ delta: { role, content, reasoning, tool_calls: calls }, finish_reason }): EmulatedDelta[] => {
      const finishReason = finish_reason ?? undefined;
      if (role !== undefined) return [];
      if (calls !== undefined) {
        return [{ toolCalls: calls.map(({ index, function: called }) => ({ index, ...called })) }];
      }
      if (reasoning !== undefined) return [{ reasoning, finishReason }];
      return typeof content === 'string' ? [{ content, finishReason }] : [];
    },
  );
}

async function send(options: EmulatorOptions, fields: object): Promise<Response> {
  const drun = createEmulator({
    behind: 'none',
    models: [{ id: MODEL, contextLength: 512 }, 'qwen/tiny'],
    keys: [{ name: 'recorded', key: KEY }],
    ...options,
  });
  return drun.fetch('http://127.0.0.1:8000/v1/chat/completions', {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}` },
    body: JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'Hi' }], ...fields }),
  });
}

const tool = (name: string): object => ({
  type: 'function',
  function: { name, parameters: { type: 'object' } },
});

/** Options and a request for which the emulator sends a recording. */
type Script = (recording: Recording) => readonly [options: EmulatorOptions, request: object];

/** A reply in the emulator's format. */
const scriptedStream =
  (finishReason?: string): Script =>
  (recording) => [
    { reply: { chunks: deltasOf(recording), ...(finishReason !== undefined && { finishReason }) } },
    { stream: true, tools: [tool('weather'), tool('clock')] },
  ];

/** A reply in wire format, for streams that the emulator's format cannot express. */
const wireStream =
  (options: EmulatorOptions = {}): Script =>
  (recording) => [{ reply: { chunks: chunksOf(recording) }, ...options }, { stream: true }];

const scriptedCompletion: Script = ({ body }) => {
  const { choices, usage } = JSON.parse(body);
  const { message, finish_reason: finishReason } = choices[0];
  const toolCalls = message.tool_calls?.map(({ function: called }: { function: object }) => called);
  const reply = {
    ...(message.reasoning !== null && { reasoning: message.reasoning }),
    ...(toolCalls !== undefined && { toolCalls }),
    ...{ finishReason, usage },
  };
  return [{ reply }, {}];
};

const SCRIPTS: Readonly<Record<string, Script>> = {
  'vllm032-plain.stream': scriptedStream('length'),
  'vllm032-json.stream': scriptedStream(),
  'vllm032-reason-script.stream': scriptedStream(),
  'vllm032-tool-two-script.stream': scriptedStream(),
  'vllm032-n2.stream': wireStream(),
  'vllm032-usage-continuous.stream': wireStream(),
  'vllm012-reason.stream': wireStream(),
  'vllm085-reason-script.stream': wireStream(),
  'llamacpp-plain.stream': wireStream(),
  'transformers-plain.stream': wireStream({ faults: [{ omitDone: true }] }),
  'litserve-boom1.stream': (recording) => {
    const errorEvent = JSON.parse(recording.body.split('data: ').at(-1) ?? '').error;
    return wireStream({ faults: [{ errorAfterChunks: 1, errorEvent }] })(recording);
  },
  'vllm032-kill-engine.stream': (recording) => [
    {
      async *reply() {
        yield* deltasOf(recording);
        throw new Error('EngineCore encountered an issue. See stack trace (above) for the root cause.');
      },
    },
    { stream: true },
  ],
  'vllm032-plain.whole': scriptedCompletion,
  'vllm032-tool-two-script.whole': scriptedCompletion,
  'llamacpp-tool-forced.whole': ({ body }) => [{ reply: JSON.parse(body) }, {}],
  'vllm032-too-long.whole': () => [{}, { messages: [{ role: 'user', content: 'x'.repeat(25939) }] }],
  'vllm032-unknown-model.whole': () => [{}, { model: 'nope' }],
  'vllm085-too-long.whole': ({ body }) => [{ faults: [{ status: 400, body: JSON.parse(body) }] }, {}],
};

/** A recorded body without the trailer that the recorder appended. */
const withoutTrailer = (body: string): string => body.replace(/\s*curl exit 0\s*$/, '').trimEnd();

describe("a model server's response, byte for byte:", () => {
  it.each(Object.entries(SCRIPTS))('%s', async (name, script) => {
    const recording = await readRecording(`server-recordings/${name}.http`);
    const response = await send(...script(recording));
    expect(response.status).toBe(recording.status);
    if (name.startsWith('vllm032')) {
      expect(response.headers.get('content-type')).toBe(recording.headers['content-type']);
    }
    const text = await response.text();
    expect(normalized(text.trimEnd())).toBe(normalized(withoutTrailer(recording.body)));
  });

  it('every recording is compared', () => {
    const files = readdirSync(new URL('server-recordings', import.meta.url));
    const names = files.map((file) => file.replace('.http', '')).sort();
    expect(Object.keys(SCRIPTS).sort()).toEqual(names);
  });
});

describe('a bare model server', () => {
  it.each([
    ['vllm032-n2.stream', { n: 2 }],
    [
      'vllm032-usage-continuous.stream',
      { stream_options: { include_usage: true, continuous_usage_stats: true } },
    ],
  ])('sends chunks with the fields of %s', async (name, fields) => {
    const recording = await readRecording(`server-recordings/${name}.http`);
    const response = await send({ reply: 'Hello!' }, { stream: true, ...fields });
    const shapes = ({ body }: { readonly body: string }): string[] => {
      const all = chunksOf({ body } as Recording).map((chunk) => {
        const [choice] = chunk.choices as unknown as (WireChoice & { index: number })[];
        return [
          Object.keys(chunk),
          Object.keys(choice ?? {}),
          choice?.index,
          choice?.finish_reason === null,
        ].join(' ');
      });
      return [...new Set(all)].sort();
    };
    expect(shapes({ body: await response.text() })).toEqual(shapes(recording));
  });

  it('sends usage in a stream only on request, and with every chunk if requested', async () => {
    const usages = async (stream_options?: object): Promise<unknown[]> => {
      const response = await send(
        { reply: 'abcd' },
        { stream: true, ...(stream_options && { stream_options }) },
      );
      const events = (await response.text()).split('\n\n').filter((event) => event.startsWith('data: {'));
      return events.map((event) => JSON.parse(event.slice(6)).usage?.completion_tokens);
    };
    expect(await usages()).toEqual([undefined, undefined, undefined, undefined, undefined, undefined]);
    expect((await usages({ include_usage: true })).at(-1)).toBe(1);
    expect(await usages({ include_usage: true, continuous_usage_stats: true })).toEqual([
      0, 1, 1, 1, 1, 1, 1,
    ]);
  });

  it('rejects an unknown key as vLLM does', async () => {
    const response = await createEmulator({ behind: 'none' }).fetch('http://127.0.0.1:8000/v1/models');
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual({ error: 'Unauthorized' });
  });

  it.each([
    ['GET', '/v1/embeddings', undefined, 404, { detail: 'Not Found' }],
    ['GET', '/', undefined, 404, { detail: 'Not Found' }],
    ['GET', '/v1/chat/completions', undefined, 405, { detail: 'Method Not Allowed' }],
    ['POST', '/v1/models', undefined, 405, { detail: 'Method Not Allowed' }],
    [
      'POST',
      '/v1/chat/completions',
      '{',
      400,
      { error: { message: 'JSON decode error', type: 'BadRequestError', param: null, code: 400 } },
    ],
    ['POST', '/v1/chat/completions', '{"messages":[{"role":"user","content":"Hi"}]}', 200, { model: 'tiny' }],
  ])('responds to %s %s as vLLM does: %s', async (method, path, body, status, expected) => {
    const drun = createEmulator({ behind: 'none', models: [MODEL], keys: [{ name: 'recorded', key: KEY }] });
    const response = await drun.fetch(`http://127.0.0.1:8000${path}`, {
      method,
      headers: { authorization: `Bearer ${KEY}` },
      ...(body !== undefined && { body }),
    });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject(expected);
  });

  it('sends the same completion with and without streaming for a reply in wire format', async () => {
    const recording = await readRecording('server-recordings/vllm032-n2.stream.http');
    const response = await send({ reply: { chunks: chunksOf(recording) } }, { n: 2 });
    const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
    const texts = [0, 1].map((index) =>
      chunksOf(recording)
        .flatMap((chunk) => chunk.choices as unknown as (WireChoice & { index: number })[])
        .map((choice) => (choice.index === index ? (choice.delta.content ?? '') : ''))
        .join(''),
    );
    expect(choices.map(({ message }) => message.content)).toEqual(texts);
  });
});
