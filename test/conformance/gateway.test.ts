import { readdirSync, readFileSync } from 'node:fs';
import { createEmulator, type EmulatorOptions, type NewEmulatedKey } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import { describe, expect, it } from 'vitest';
import { normalized, readRecording } from './recording.ts';

/*
 * Compares the emulator with recordings of the real gateway in front of a scripted model server. The emulator uses the same
 * model server, and must send the same bytes.
 */

const KEY = 'sk-emulated-key-0123456789';
const AT = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1743400000 };

/** The response of the model server. */
interface Script {
  readonly status?: number;
  readonly type?: string;
  readonly body: string;
  /** Whether the connection is reset after the body. */
  readonly isReset?: boolean;
}

const chunk = (model: string, delta: object, finish_reason: string | null = null): string =>
  `data: ${JSON.stringify({ ...AT, model, choices: [{ index: 0, delta, logprobs: null, finish_reason }] })}\n\n`;
const usage = (model: string, fields: object): string =>
  `data: ${JSON.stringify({ ...AT, model, choices: [], usage: fields })}\n\n`;
const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
const DONE = 'data: [DONE]\n\n';
const error = (fields: object): string =>
  JSON.stringify({ error: { type: 'BadRequestError', param: null, ...fields } });

const hello = (model: string): string =>
  chunk(model, { role: 'assistant', content: '' }) +
  chunk(model, { content: 'Hel' }) +
  chunk(model, { content: 'lo' });
/** Chunks of a model server that omits `logprobs`. */
const bare = (text: string): string => text.replaceAll('"logprobs":null,', '');

const STREAMS: Readonly<Record<string, (model: string) => Omit<Script, 'type'>>> = {
  'stream-ok': (model) => ({ body: hello(model) + chunk(model, {}, 'stop') + usage(model, USAGE) + DONE }),
  'stream-cut': (model) => ({ body: hello(model) }),
  'stream-no-done': (model) => ({ body: hello(model) + chunk(model, {}, 'stop') }),
  'stream-reset': (model) => ({ body: hello(model), isReset: true }),
  'stream-error-event': (model) => ({
    body: `${hello(model)}data: ${error({ message: 'died', code: 500 })}\n\n${DONE}`,
  }),
  'stream-error-first': () => ({ body: `data: ${error({ message: 'died', code: 500 })}\n\n${DONE}` }),
  'stream-error-object': (model) => ({
    body: `${hello(model)}data: {"object":"error","message":"EngineCore died","type":"BadRequestError","param":null,"code":500}\n\n${DONE}`,
  }),
  'stream-reasoning': (model) => ({
    body:
      chunk(model, { role: 'assistant', reasoning_content: 'hm ' }) +
      chunk(model, { reasoning_content: 'yes' }) +
      chunk(model, { content: 'Hello' }) +
      chunk(model, {}, 'stop') +
      usage(model, USAGE) +
      DONE,
  }),
  'stream-tool': (model) => ({
    body:
      chunk(model, {
        role: 'assistant',
        content: null,
        tool_calls: [
          { index: 0, id: 'call_1', type: 'function', function: { name: 'weather', arguments: '' } },
        ],
      }) +
      chunk(model, { tool_calls: [{ index: 0, function: { arguments: '{"city":' } }] }) +
      chunk(model, { tool_calls: [{ index: 0, function: { arguments: '"Oslo"}' } }] }) +
      chunk(model, {}, 'tool_calls') +
      usage(model, USAGE) +
      DONE,
  }),
  'stream-x-bad-usage': (model) => ({
    body: bare(hello(model)) + usage(model, { ...USAGE, completion_tokens: -1 }) + DONE,
  }),
  'stream-x-empty': () => ({ body: ': nothing\n\n' }),
  'stream-x-stop-reset': (model) => ({ body: bare(hello(model) + chunk(model, {}, 'stop')), isReset: true }),
};

const COMPLETIONS: Readonly<Record<string, Script>> = {
  'up-400-object': {
    status: 400,
    body: '{"object":"error","message":"This model\'s maximum context length is 4096 tokens","type":"BadRequestError","param":null,"code":400}',
  },
  'up-401-new': { status: 401, body: error({ message: 'Unauthorized', code: 401 }) },
  'up-413-text': { status: 413, type: 'text/plain', body: 'too large' },
  'up-422-detail': { status: 422, body: '{"detail":[{"loc":["body"],"msg":"invalid"}]}' },
  'up-500-html': { status: 500, type: 'text/html', body: '<h1>No</h1>' },
  'up-error-200': { body: error({ message: 'EngineCore died', code: 500 }) },
  'up-html': { type: 'text/html', body: '<h1>No</h1>' },
  'up-x-s401-html': { status: 401, type: 'text/html', body: '<h1>No</h1>' },
};

/** Creates an emulator in front of a model server with this script. */
function emulator(
  script: Script | undefined,
  options: EmulatorOptions = {},
  key: Partial<NewEmulatedKey> = {},
) {
  const fetch = async (): Promise<Response> => {
    const { status = 200, type = 'application/json', body = '', isReset } = script ?? { body: '' };
    const bytes = new TextEncoder().encode(body);
    let sent = false;
    const stream = new ReadableStream({
      pull(controller) {
        if (!sent) controller.enqueue(bytes);
        else if (isReset) controller.error(new TypeError('terminated'));
        else controller.close();
        sent = true;
      },
    });
    return new Response(stream, { status, headers: { 'content-type': type } });
  };
  const upstream = script === undefined ? {} : { upstream: { url: 'http://models.test/v1', fetch } };
  return createEmulator({
    keys: [{ name: 'recorded', key: KEY, ...key }],
    ...upstream,
    ...options,
  });
}

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly authorization?: string | undefined;
  readonly body?: string;
}

async function check(name: string, drun: ReturnType<typeof emulator>, sent: Sent): Promise<void> {
  const recording = await readRecording(`gateway-recordings/${name}.http`);
  const { method = 'POST', path = '/v1/chat/completions', body } = sent;
  const authorization = 'authorization' in sent ? sent.authorization : `Bearer ${KEY}`;
  const response = await drun.fetch(`https://chat.d.run${path}`, {
    method,
    headers: { ...(authorization !== undefined && { authorization }) },
    ...(body !== undefined && { body }),
  });
  const { date: _, ...headers } = Object.fromEntries(response.headers);
  const { date: __, ...recordedHeaders } = recording.headers;
  expect(response.status).toBe(recording.status);
  expect(headers).toEqual(recordedHeaders);
  expect(normalized(await response.text())).toBe(normalized(recording.body));
}

const request = (fields: object = {}): string =>
  JSON.stringify({ model: 'public/ok', messages: [{ role: 'user', content: 'Hi' }], ...fields });

describe("the gateway's responses, byte for byte:", () => {
  it.each(Object.entries(STREAMS))('%s', async (name, script) => {
    const model = `public/${name.slice('stream-'.length)}`;
    const drun = emulator({ type: 'text/event-stream', ...script(model) });
    await check(name, drun, { body: request({ model, stream: true }) });
  });

  it('stream-usage-each', async () => {
    const model = 'public/usage-each';
    const each = (delta: object, finish: string | null, completion_tokens: number): string =>
      chunk(model, delta, finish).replace(
        /}\n\n$/,
        `,"usage":${JSON.stringify({ prompt_tokens: 3, completion_tokens, total_tokens: 3 + completion_tokens })}}\n\n`,
      );
    const body =
      each({ role: 'assistant', content: '' }, null, 0) +
      each({ content: 'Hello' }, null, 1) +
      each({}, 'stop', 2) +
      DONE;
    await check('stream-usage-each', emulator({ type: 'text/event-stream', body }), {
      body: request({ model, stream: true }),
    });
  });

  it('stream-x-n2', async () => {
    const model = 'public/x-n2';
    const second = { id: '1', object: 'chat.completion.chunk', created: 1, model };
    const body =
      `data: ${JSON.stringify({ ...second, choices: [{ index: 1, delta: { role: 'assistant', content: 'B' }, finish_reason: null }] })}\n\n` +
      bare(hello(model) + chunk(model, {}, 'stop'));
    await check('stream-x-n2', emulator({ type: 'text/event-stream', body }), {
      body: request({ model, stream: true }),
    });
  });

  it.each(Object.entries(COMPLETIONS))('%s', async (name, script) => {
    await check(name, emulator(script), { body: request() });
  });

  it('completions', async () => {
    const body = `{
      "id": "chatcmpl-1", "object": "chat.completion", "created": 1743400000, "model": "own name",
      "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello <b>&"}, "finish_reason": "stop"}],
      "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}`;
    await check('completions', emulator({ body }), {
      path: '/v1/completions',
      body: JSON.stringify({ model: 'public/x-hdr', prompt: 'Hi' }),
    });
  });

  it.each<[string, Sent]>([
    ['auth-none', { authorization: undefined }],
    ['auth-bearer-empty', { authorization: 'Bearer ' }],
    ['auth-lowercase-bearer', { authorization: `bearer ${KEY}` }],
    ['auth-key-sk-unknown-AbC_123456789-uaYc', { authorization: 'Bearer sk-unknown-AbC_123456789-uaYc' }],
    ['json-bad', { body: '{"model":' }],
    ['json-empty', { body: '' }],
    ['model-missing', { body: '{}' }],
    ['model-unknown', { body: request({ model: 'public/nonexistent`<b>' }) }],
    ['m-HEAD-_v1_models', { method: 'HEAD', path: '/v1/models' }],
    ['m-OPTIONS-_v1_chat_completions', { method: 'OPTIONS', authorization: undefined }],
    ['m-PUT-_v1_chat_completions', { method: 'PUT' }],
    ['path-GET-_', { method: 'GET', path: '/', authorization: undefined }],
  ])('%s', async (name, sent) => {
    await check(name, emulator(undefined), sent);
  });

  it('deny', async () => {
    const drun = emulator(undefined, { models: ['public/ok'] }, { denyModels: ['public/*'] });
    await check('deny', drun, { body: request() });
  });

  it('rate-4', async () => {
    const drun = emulator(undefined, { faults: [{ status: 429 }] });
    await check('rate-4', drun, { body: request() });
  });

  it('path-GET-_v1_models', async () => {
    const { body } = await readRecording('gateway-recordings/path-GET-_v1_models.http');
    const models = (JSON.parse(body) as { data: { id: string }[] }).data.map(({ id }) => id);
    await check('path-GET-_v1_models', emulator(undefined, { models: models.toReversed() }), {
      method: 'GET',
      path: '/v1/models',
    });
  });

  it('up-refused', async () => {
    const drun = emulator(undefined, { upstream: 'http://127.0.0.1:9/v1' });
    await check('up-refused', drun, { body: request() });
  });
});

it('all recordings of the gateway are compared', () => {
  const source = readFileSync(new URL(import.meta.url), 'utf8');
  const files = readdirSync(new URL('gateway-recordings', import.meta.url));
  expect(files.filter((file) => !source.includes(`'${file.replace('.http', '')}'`))).toEqual([]);
});

it('the emulator sends the same headers over HTTP as the gateway', async () => {
  const drun = emulator(undefined, { models: ['public/ok'] });
  await using server = await serve(drun);
  const names = async (path: string, init: RequestInit = {}): Promise<string[]> => {
    const response = await fetch(server.url + path, { headers: { authorization: `Bearer ${KEY}` }, ...init });
    await response.text();
    return [...response.headers.keys()].sort();
  };
  expect(await names('/v1/models')).toEqual(['content-type', 'date', 'transfer-encoding']);
  expect(await names('/', { headers: {} })).toEqual([
    'content-length',
    'content-type',
    'date',
    'x-content-type-options',
  ]);
  const stream = await names('/v1/chat/completions', {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}` },
    body: request({ stream: true }),
  });
  expect(stream).toEqual(['cache-control', 'connection', 'content-type', 'date', 'transfer-encoding']);
});

describe('the gateway', () => {
  const rewritten = async (
    body: string,
    fields: object = { stream: true },
    type = 'text/event-stream',
  ): Promise<string> => {
    const drun = emulator({ type, body });
    const response = await drun.fetch('https://chat.d.run/v1/chat/completions', {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}` },
      body: request(fields),
    });
    return response.text();
  };

  it.each([
    [
      'sorts keys at every depth',
      '{"b":{"d":1,"c":2},"a":[{"z":0,"y":0}]}',
      '{"a":[{"y":0,"z":0}],"b":{"c":2,"d":1}}',
    ],
    ['sorts names that look like numbers as strings', '{"b":1,"10":2,"9":3}', '{"10":2,"9":3,"b":1}'],
    ['escapes HTML and line separators', '{"a":"<&>\u2028"}', '{"a":"\\u003c\\u0026\\u003e\\u2028"}'],
    ['rounds integers above 2^53', '{"a":12345678901234567890}', '{"a":12345678901234567000}'],
    ['replaces lone surrogates', '{"a":"x\\ud800y\\udc00z"}', '{"a":"x\ufffdy\ufffdz"}'],
    ['keeps pairs of surrogates', '{"a":"\\ud83c\\udff0"}', '{"a":"🏰"}'],
    ['forwards null', 'null', 'null'],
    [
      'ignores a usage that is not an object',
      '{"usage":[],"x":"\\"completion_tokens\\":"}',
      '{"usage":[],"x":"\\"completion_tokens\\":"}',
    ],
  ])('%s', async (_, data, expected) => {
    expect(await rewritten(`data: ${data}\n\ndata: [DONE]\n\n`)).toBe(
      `data: ${expected}\n\ndata: [DONE]\n\n`,
    );
  });

  it.each([
    [
      'drops comments, event names and ids',
      ': hi\nevent: x\nid: 1\ndata: {"a":1}\n\ndata: [DONE]\n\n',
      'data: {"a":1}\n\ndata: [DONE]\n\n',
    ],
    [
      'reads lines that end with CRLF',
      'data: {"a":1}\r\n\r\ndata: [DONE]\r\n\r\n',
      'data: {"a":1}\n\ndata: [DONE]\n\n',
    ],
    [
      'reads each line as an event',
      'data: {"a":1}\ndata: {"b":2}\ndata: [DONE]\n',
      'data: {"a":1}\n\ndata: {"b":2}\n\ndata: [DONE]\n\n',
    ],
    ['drops lines without a space after `data:`', 'data:{"a":1}\n\ndata: [DONE]\n\n', 'data: [DONE]\n\n'],
    ['drops everything after [DONE]', 'data: [DONE]\n\ndata: {"a":1}\n\n', 'data: [DONE]\n\n'],
    [
      'drops a last line without a line feed',
      'data: {"a":1}\n\ndata: [DONE]',
      'data: {"a":1}\n\ndata: null\n\n',
    ],
    [
      'ends at a line that is not JSON',
      'data: {"a":1}\n\ndata: {"b":\n\ndata: [DONE]\n\n',
      'data: {"a":1}\n\n',
    ],
    [
      'ends at a line that is not an object',
      'data: {"a":1}\n\ndata: [1]\n\ndata: [DONE]\n\n',
      'data: {"a":1}\n\n',
    ],
    [
      'drops everything after an error',
      'data: {"error":{}}\n\ndata: {"a":1}\n\ndata: [DONE]\n\n',
      'data: null\n\n',
    ],
    [
      'forwards an error with a space after the brace',
      'data: { "error": {"message":"x"}}\n\ndata: [DONE]\n\n',
      'data: {"error":{"message":"x"}}\n\ndata: [DONE]\n\n',
    ],
    [
      'forwards `detail`',
      'data: {"detail":"x"}\n\ndata: [DONE]\n\n',
      'data: {"detail":"x"}\n\ndata: [DONE]\n\n',
    ],
    ['sends only `data: null` for an empty stream', '', 'data: null\n\n'],
  ])('%s', async (_, body, expected) => {
    expect(await rewritten(body)).toBe(expected);
  });

  it.each(['-1', '1.5', '"2"', 'true', '{}'])(
    'ends with an error body when a count of the usage is %s',
    async (count) => {
      const body = `data: {"a":1}\n\ndata: {"usage":{"completion_tokens":${count}}}\n\n`;
      expect(await rewritten(body)).toBe(
        'data: {"a":1}\n\n{"error":{"code":null,"message":"internal error","param":null,"type":"internal_error"}}',
      );
    },
  );

  it('preserves a JSON response, except for white space and the model', async () => {
    const body =
      ' {"model" : "own", "n": 12345678901234567890, "model2": {"model": "x"}, "text": "\\u00e9 \\" <"} ';
    expect(await rewritten(body, {}, 'application/json')).toBe(
      '{"model":"public/ok","n":12345678901234567890,"model2":{"model":"x"},"text":"\\u00e9 \\" \\u003c"}',
    );
  });

  it.each([
    ['without `model`', '{"choices":[]}'],
    ['that is invalid', '{"model":'],
    ['that is an array', '[]'],
    ['with an invalid usage', '{"model":"x","usage":{"prompt_tokens":-1}}'],
  ])('responds with 500 to a JSON response %s', async (_, body) => {
    expect(await rewritten(body, {}, 'application/json')).toBe(
      '{"error":{"code":null,"message":"internal error","param":null,"type":"internal_error"}}',
    );
  });

  it.each([
    [
      'a string',
      '{"error":"no route"}',
      '{"error":{"code":null,"message":"upstream error: no route","param":null,"type":""}}',
    ],
    [
      'an object with few fields',
      '{"error":{"message":"x"}}',
      '{"error":{"code":"","message":"x","param":"","type":""}}',
    ],
    [
      'an object without a message',
      '{"error":{"code":7,"type":"t"}}',
      '{"error":{"code":"7","message":"unknown error (empty message received from upstream): code: 7, type: t, param: ","param":"","type":"t"}}',
    ],
  ])('reduces an error that is %s', async (_, body, expected) => {
    expect(await rewritten(body, {}, 'application/json')).toBe(expected);
  });

  it.each([
    ['a byte order mark', '\ufeff{"model":"public/ok"}', 'We could not parse'],
    ['text after the JSON', '{"model":"public/ok"} x', 'We could not parse'],
    ['an array', '[]', 'We could not parse'],
    [
      'JSON that is nested too deeply',
      `{"model":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
      'We could not parse',
    ],
    ['null', 'null', 'you must provide a model parameter'],
    ['an empty model', '{"model":""}', 'you must provide a model parameter'],
    ['a null model', '{"model":null}', 'you must provide a model parameter'],
  ])('rejects a request with %s', async (_, body, message) => {
    const response = await emulator(undefined).fetch('https://chat.d.run/v1/chat/completions', {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}` },
      body,
    });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain(message);
  });

  it.each([
    ['3', '3'],
    ['["x"]', '["x"]'],
    ['{"b":1,"a":2}', '{"a":2,"b":1}'],
  ])('reads the model %s as the string %s', async (model, text) => {
    const response = await emulator(undefined).fetch('https://chat.d.run/v1/chat/completions', {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}` },
      body: `{"model":${model}}`,
    });
    expect(await response.json()).toMatchObject({
      error: { message: `The model \`${text}\` does not exist or you do not have access to it.` },
    });
  });

  it('requests the usage of a stream, and forwards everything else', async () => {
    const bodies: unknown[] = [];
    const fetch = async (_: string, init: RequestInit): Promise<Response> => {
      bodies.push(JSON.parse(String(init.body)));
      return new Response(DONE, { headers: { 'content-type': 'text/event-stream' } });
    };
    const drun = emulator(undefined, { upstream: { url: 'http://models.test', fetch } });
    for (const stream_options of [
      undefined,
      { continuous_usage_stats: true },
      { include_usage: true, x: 1 },
    ]) {
      await drun.fetch('https://chat.d.run/v1/chat/completions', {
        method: 'POST',
        headers: { authorization: `Bearer ${KEY}` },
        body: request({ stream: true, top_k: 3, stream_options }),
      });
    }
    expect(bodies).toMatchObject([
      { top_k: 3, stream_options: { include_usage: true } },
      { stream_options: { include_usage: true } },
      { stream_options: { include_usage: true, x: 1 } },
    ]);
    expect(bodies[1]).not.toHaveProperty('stream_options.continuous_usage_stats');
  });

  it('redirects a path with repeated slashes', async () => {
    const response = await emulator(undefined).fetch('https://chat.d.run//v1//models?x=1');
    expect(response.status).toBe(301);
    expect(response.headers.get('location')).toBe('/v1/models?x=1');
  });
});
