import { createEmulator, type EmulatorOptions, type EmulatorRule } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { TRANSPORTS } from './transports.ts';
import { chat } from './wire.ts';

const KEYS = [
  { name: 'first', key: 'sk-first-key-0123456789' },
  { name: 'second', key: 'sk-second-key-0123456789' },
] as const;
const MODELS = ['public/a', 'public/b', 'u-kebe/c'];

/** Creates an emulator with rules. `sendRequest` returns the text of the reply or the code of the error. */
function emulatorWithRules(rules: readonly EmulatorRule[], options: EmulatorOptions = {}) {
  const drun = createEmulator({ rules, keys: KEYS, models: MODELS, reply: 'default', ...options });
  const sendRequest = async (request: object = {}, key: string = KEYS[0].key): Promise<unknown> => {
    const body = (await (await chat(drun, key, { model: 'public/a', ...request })).json()) as {
      choices?: [{ message: { content: string } }];
      error?: { code: string };
    };
    return body.choices?.[0].message.content ?? body.error?.code;
  };
  return { drun, ask: sendRequest };
}

const user = (content: string): object => ({ messages: [{ role: 'user', content }] });
const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }];
const call = { id: 'c', type: 'function', function: { name: 'weather', arguments: '{}' } };
const result = (content: string): object => ({
  messages: [
    { role: 'user', content: 'Weather?' },
    { role: 'assistant', content: null, tool_calls: [call] },
    { role: 'tool', tool_call_id: 'c', content },
  ],
});

describe('a rule', () => {
  it.each<[string, EmulatorRule['when'], object, object]>([
    ['a glob of the model', { model: 'public/*' }, {}, { model: 'u-kebe/c' }],
    ['text in the last message', { lastMessage: 'rain' }, user('Will it rain?'), user('Hello')],
    ['a RegExp', { lastMessage: /^will/i }, user('Will it rain?'), user('It will.')],
    [
      'a pattern in JSON',
      { lastMessage: { pattern: '^will', flags: 'i' } },
      user('Will it rain?'),
      user('It will.'),
    ],
    [
      'text in a part',
      { lastMessage: 'rain' },
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'rain' }] }] },
      {},
    ],
    ['an offered tool', { tool: 'weather' }, { tools }, {}],
    ['the last tool result', { toolResult: 'sunny' }, result('sunny, 20 degrees'), result('rain')],
    ['any tool result', { toolResult: '' }, result(''), user('sunny')],
    ['the last message only', { lastMessage: 'Weather?' }, user('Weather?'), result('sunny')],
    ['all its conditions', { model: 'public/a', lastMessage: 'x' }, user('x'), user('y')],
  ])('matches %s', async (_, when, matching, other) => {
    const { ask: sendRequest } = emulatorWithRules([{ when, reply: 'scripted' }]);
    expect(await sendRequest(matching)).toBe('scripted');
    expect(await sendRequest(other)).toBe('default');
  });

  it('matches a key by name, by id and by value', async () => {
    const { drun, ask: sendRequest } = emulatorWithRules([{ when: { key: 'first' }, reply: 'by name' }]);
    expect([await sendRequest(), await sendRequest({}, KEYS[1].key)]).toEqual(['by name', 'default']);
    drun.rules.clear();
    const [, second] = drun.keys;
    drun.rules.add({ when: { key: second?.id }, reply: 'by id' });
    drun.rules.add({ when: { key: KEYS[0].key }, reply: 'by value' });
    expect([await sendRequest(), await sendRequest({}, KEYS[1].key)]).toEqual(['by value', 'by id']);
  });

  it('matches a key whose name has spaces', async () => {
    const { drun, ask: sendRequest } = emulatorWithRules([
      { when: { key: 'my own key' }, reply: 'scripted' },
    ]);
    const { secret } = drun.keys.create({ name: 'my own key' });
    drun.faults.next({ key: 'my own key', status: 503 });
    expect([await sendRequest(), await sendRequest({}, secret.reveal())]).toEqual(['default', null]);
    expect(await sendRequest({}, secret.reveal())).toBe('scripted');
  });

  it('matches the n-th request that meets its other conditions', async () => {
    const { ask: sendRequest } = emulatorWithRules([{ when: { nth: 2, lastMessage: 'x' }, reply: 'second' }]);
    const replies = [
      await sendRequest(user('x')),
      await sendRequest(),
      await sendRequest(user('x')),
      await sendRequest(user('x')),
    ];
    expect(replies).toEqual(['default', 'default', 'second', 'default']);
  });

  it('uses replies in order, and then no longer matches', async () => {
    const { ask: sendRequest } = emulatorWithRules([{ reply: ['one', { content: 'two' }, () => 'three'] }]);
    expect([await sendRequest(), await sendRequest(), await sendRequest(), await sendRequest()]).toEqual([
      'one',
      'two',
      'three',
      'default',
    ]);
  });

  it('repeats its last reply up to `times`', async () => {
    const { ask: sendRequest } = emulatorWithRules([{ reply: ['one', 'two'], times: 3 }]);
    expect([await sendRequest(), await sendRequest(), await sendRequest(), await sendRequest()]).toEqual([
      'one',
      'two',
      'two',
      'default',
    ]);
    const once = emulatorWithRules([{ reply: 'one', times: 1 }]);
    expect([await once.ask(), await once.ask()]).toEqual(['one', 'default']);
  });

  it('takes precedence over later ones, counts its hits, can be removed, and is named in the log', async () => {
    const { drun, ask: sendRequest } = emulatorWithRules([]);
    const first = drun.rules.add({ when: { model: 'public/b' }, reply: 'first' });
    {
      using second = drun.rules.add({ reply: 'second' });
      expect([await sendRequest(), await sendRequest({ model: 'public/b' })]).toEqual(['second', 'first']);
      expect([first.hits, second.hits]).toEqual([1, 1]);
    }
    expect(await sendRequest()).toBe('default');
    expect(Array.from(drun.requests, ({ rule }) => rule)).toEqual([2, 1, undefined]);
    first.remove();
    expect([...drun.rules]).toEqual([]);
  });

  it('is restored by a reset if it is an option', async () => {
    const { drun, ask: sendRequest } = emulatorWithRules([{ reply: ['one'] }]);
    drun.rules.add({ reply: 'added' });
    expect([await sendRequest(), await sendRequest()]).toEqual(['one', 'added']);
    drun.reset();
    expect([await sendRequest(), await sendRequest()]).toEqual(['one', 'default']);
  });

  it.each<[unknown, string]>([
    [7, 'expected object, received number'],
    [{}, '`reply`'],
    [{ reply: [] }, '`reply`'],
    [{ reply: { contents: 'x' } }, '`reply.contents` is unknown; did you mean `content`'],
    [{ reply: 'x', tmes: 1 }, '`tmes` is unknown; did you mean `times`'],
    [{ reply: 'x', times: 0 }, '`times`'],
    [{ reply: 'x', when: { modl: 'a' } }, '`when.modl`'],
    [{ reply: 'x', when: { lastMessage: { pattern: '(' } } }, '`when.lastMessage`'],
    [{ reply: 'x', when: { lastMessage: 7 } }, '`when.lastMessage`'],
    [{ reply: 'x', when: { nth: 0 } }, '`when.nth`'],
  ])('%j is rejected', (rule, message) => {
    expect(() => createEmulator({ rules: [rule as EmulatorRule] })).toThrow(TypeError);
    expect(() => createEmulator().rules.add(rule as EmulatorRule)).toThrow(message);
  });
});

describe('`strict`', () => {
  it('rejects a request that no rule matches with a description of it', async () => {
    const drun = createEmulator({ rules: [{ when: { model: 'x' }, reply: 'x' }], strict: true, keys: KEYS });
    const response = await chat(drun, KEYS[0].key, { ...user('Will it rain?'), tools });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: {
        code: 'no_matching_rule',
        type: 'emulator_error',
        message:
          'No rule matches this request: model `public/deepseek-r1`, key `first`, 1 message, last message (user) "Will it rain?", tools `weather`.',
      },
    });
    expect([...drun.requests][0]?.reason).toContain('No rule matches');
  });

  it('does not apply if there is a `reply`', async () => {
    expect(await emulatorWithRules([], { strict: true }).ask()).toBe('default');
  });
});

/** A scenario file. */
const SCENARIO = JSON.stringify({
  models: [{ id: 'public/a', reasoningField: 'reasoning' }, 'public/b'],
  keys: [
    { name: 'first', key: KEYS[0].key, quota: 1000 },
    { name: 'second', key: KEYS[1].key, denyModels: ['public/b'], expiresAt: '2099-01-01T00:00:00Z' },
  ],
  rules: [
    {
      when: { lastMessage: { pattern: 'weather', flags: 'i' }, tool: 'weather' },
      reply: { toolCalls: [{ id: 'c', name: 'weather', arguments: { city: 'Oslo' } }] },
    },
    { when: { toolResult: 'sunny' }, reply: ['Nice.', { chunks: [{ reasoning: 'hm' }, 'Still ', 'nice.'] }] },
    { when: { key: 'second' }, reply: 'Hello, second.', times: 2 },
  ],
  faults: [
    { key: 'second', nth: 2, nullEventAfterChunks: 2 },
    { mode: 'always', operation: 'models', key: 'second', status: 503 },
  ],
  strict: true,
});

it('a scenario gives the same responses in process, through msw and over HTTP', async () => {
  const results: unknown[][][] = [];
  // msw must be last, because it intercepts all requests until the end of the test.
  const [inProcess, throughMsw, overHttp] = TRANSPORTS;
  for (const transport of [inProcess, overHttp, throughMsw]) {
    const { chatUrl = 'https://chat.d.run', fetch = globalThis.fetch } =
      (await transport?.open(JSON.parse(SCENARIO))) ?? {};
    const responses: unknown[][] = [];
    const send = async (key: number, request?: object, path = '/v1/chat/completions'): Promise<void> => {
      const response = await fetch(chatUrl + path, {
        method: request === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${KEYS[key]?.key}` },
        ...(request && { body: JSON.stringify({ model: 'public/a', ...user('Hello'), ...request }) }),
      });
      const text = (await response.text()).replaceAll(/"(?:id|created)":(?:"chatcmpl-\w+"|\d+)/g, '');
      responses.push([response.status, response.headers.get('content-type'), text]);
    };
    await send(0, { ...user('Weather?'), tools });
    await send(0, { ...user('Weather?'), tools, stream: true });
    await send(0, result('sunny'));
    await send(0, { ...result('sunny'), stream: true });
    await send(0, {});
    await send(1, {});
    await send(1, { stream: true });
    await send(1, { stream: true });
    await send(1, { model: 'public/b' });
    await send(1, undefined, '/v1/models');
    await send(0, undefined, '/v1/models');
    await send(0, { max_tokens: 0 });
    results.push(responses);
  }
  const [first, second, third] = results;
  expect(second).toEqual(first);
  expect(third).toEqual(first);
  expect(first?.map(([status]) => status)).toEqual([
    200, 200, 200, 200, 400, 200, 200, 400, 403, 503, 200, 400,
  ]);
});
