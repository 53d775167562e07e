import { createEmulator, type EmulatedDelta, type EmulatorOptions } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { normalized, readRecording } from './recording.ts';

/*
 * Recordings of vLLM 0.32. With `behind: 'none'`, the emulator has to send the same bytes for the same reply.
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

/** The chunks of a recorded stream, as a reply has them. */
function deltasOf(body: string): EmulatedDelta[] {
  return body.split('\n\n').flatMap((event) => {
    if (!event.startsWith('data: {"id"')) return [];
    const { choices } = JSON.parse(event.slice('data: '.length)) as { choices: { delta: WireDelta }[] };
    return choices.flatMap(({ delta: { role, content, reasoning, tool_calls: calls } }): EmulatedDelta[] => {
      if (role !== undefined) return [];
      if (calls !== undefined) {
        return [{ toolCalls: calls.map(({ index, function: called }) => ({ index, ...called })) }];
      }
      if (reasoning !== undefined) return [{ reasoning }];
      return typeof content === 'string' ? [{ content }] : [];
    });
  });
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

describe("vLLM's responses, byte for byte:", () => {
  it.each([
    ['vllm032-plain.stream', 'length'],
    ['vllm032-tool-two-script.stream', undefined],
  ])('%s', async (name, finishReason) => {
    const { body, headers } = await readRecording(`server-recordings/${name}.http`);
    const reply = { chunks: deltasOf(body), ...(finishReason !== undefined && { finishReason }) };
    const response = await send({ reply }, { stream: true, tools: [tool('weather'), tool('clock')] });
    expect(response.headers.get('content-type')).toBe(headers['content-type']);
    expect(normalized(await response.text())).toBe(normalized(body.trimEnd().concat('\n\n')));
  });

  it('vllm032-kill-engine.stream', async () => {
    const recording = await readRecording('server-recordings/vllm032-kill-engine.stream.http');
    const body = recording.body.replace(/\s*curl exit 0\s*$/, '\n\n');
    const response = await send(
      {
        async *reply() {
          yield* deltasOf(body);
          throw new Error('EngineCore encountered an issue. See stack trace (above) for the root cause.');
        },
      },
      { stream: true },
    );
    expect(normalized(await response.text())).toBe(normalized(body));
  });

  it.each(['vllm032-plain.whole', 'vllm032-tool-two-script.whole'])('%s', async (name) => {
    const { body } = await readRecording(`server-recordings/${name}.http`);
    const { choices, usage } = JSON.parse(body);
    const { message, finish_reason: finishReason } = choices[0];
    const toolCalls = message.tool_calls?.map(({ function: called }: { function: object }) => called);
    const reply = {
      ...(message.reasoning !== null && { reasoning: message.reasoning }),
      ...(toolCalls !== undefined && { toolCalls }),
      finishReason,
      usage,
    };
    const response = await send({ reply }, {});
    expect(normalized(await response.text())).toBe(normalized(body.trim()));
  });

  it('vllm032-too-long.whole', async () => {
    const { body, status } = await readRecording('server-recordings/vllm032-too-long.whole.http');
    const response = await send({}, { messages: [{ role: 'user', content: 'x'.repeat(25939) }] });
    expect(response.status).toBe(status);
    expect(await response.text()).toBe(body.trim());
  });

  it('vllm032-unknown-model.whole', async () => {
    const { body, status } = await readRecording('server-recordings/vllm032-unknown-model.whole.http');
    const response = await send({}, { model: 'nope' });
    expect(response.status).toBe(status);
    expect(await response.text()).toBe(
      body.trim().replace('Valid aliases: tiny, qwen/tiny', 'Valid aliases: tiny, qwen/tiny'),
    );
  });
});

describe('a bare model server', () => {
  it('sends usage in a stream only on request, and with every chunk if asked for it', async () => {
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

  it('rejects a key that it does not know as vLLM does', async () => {
    const response = await createEmulator({ behind: 'none' }).fetch('http://127.0.0.1:8000/v1/models');
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual({ error: 'Unauthorized' });
  });
});
