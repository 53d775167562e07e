import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { matchesGlob } from '../../src/emulator/model-access.ts';
import { CHAT, chat, control, createKey, events, withKey } from './wire.ts';

const MODELS = ['deepseek-r1', 'public/deepseek-r1', 'u-kebe/test', 'u-other/test'];

async function listedModels(drun: Emulator, key: string): Promise<string[]> {
  const response = await drun.fetch(`${CHAT}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  const { data } = (await response.json()) as { data: { id: string }[] };
  return data.map(({ id }) => id);
}

const codeOf = async (response: Promise<Response>): Promise<unknown> =>
  ((await (await response).json()) as { error: { code: unknown } }).error.code;

describe('the gateway', () => {
  it('forwards a text of 10 million characters', async () => {
    const content = 'x'.repeat(1e7);
    const { drun, key } = await withKey({ reply: { choices: [{ message: { content } }] } });
    expect(await (await chat(drun, key)).text()).toContain(content);
  });

  it.each<[string, readonly string[], readonly string[], readonly string[]]>([
    ['every model to a key without lists', [], [], MODELS],
    ['models without a slash for `*`', ['*'], [], ['deepseek-r1']],
    ['the models of one user', ['u-kebe/*'], [], ['u-kebe/test']],
    ['every model for `**`', ['**'], [], MODELS],
    [
      'the models of any of several globs',
      ['public/*', '{x,u-other}/t?st'],
      [],
      ['public/deepseek-r1', 'u-other/test'],
    ],
    [
      'all models but the denied ones',
      [],
      ['public/deepseek-r1'],
      ['deepseek-r1', 'u-kebe/test', 'u-other/test'],
    ],
    ['no model that is both allowed and denied', ['**'], ['u-*/*'], ['deepseek-r1', 'public/deepseek-r1']],
  ])('lists and serves %s', async (_, allowModels, denyModels, expected) => {
    const drun = createEmulator({ models: MODELS });
    const key = drun.keys.create({ name: 'checkout', allowModels, denyModels }).secret.reveal();
    expect(await listedModels(drun, key)).toEqual(expected);
    for (const model of MODELS) {
      expect((await chat(drun, key, { model })).status === 200, model).toBe(expected.includes(model));
    }
  });

  it('responds with 404 for a model that is not allowed, as for one that does not exist', async () => {
    const drun = createEmulator({ models: MODELS });
    const { secret } = drun.keys.create({ name: 'checkout', allowModels: ['public/*'] });
    const texts = ['u-kebe/test', 'unknown'].map(async (model) =>
      (await (await chat(drun, secret.reveal(), { model })).text()).replaceAll(model, 'MODEL'),
    );
    const [first, second] = await Promise.all(texts);
    expect(first).toBe(second);
    expect(first).toContain('"code":"model_not_found"');
  });

  it('checks the key before the body, the model before the quota, and the quota before the messages', async () => {
    const drun = createEmulator({ models: MODELS });
    const key = drun.keys.create({ name: 'a', quota: 0, denyModels: ['u-kebe/*'] }).secret.reveal();
    expect(await codeOf(chat(drun, 'sk-wrong', {}, { body: 'not JSON' }))).toBe('invalid_api_key');
    expect(await codeOf(chat(drun, key, { model: 'u-kebe/unknown' }))).toBe('model_access_denied');
    expect(await codeOf(chat(drun, key, { model: 'unknown' }))).toBe('model_not_found');
    expect(await codeOf(chat(drun, key, { model: 'deepseek-r1', messages: [] }))).toBe('insufficient_quota');
  });

  it.each<[string, (drun: Emulator, key: { id: string; key: string }) => unknown]>([
    ['that it did not create', () => 'sk-AbC_def-123456789uaYc'],
    ['that is the access token', (drun) => drun.accessToken.reveal()],
    ['from before a reset', (drun) => drun.reset()],
    ['that was deleted', (drun, { id }) => control(drun, 'DELETE', `/apikeys/${id}`, {})],
    ['that is disabled', (drun, { id }) => drun.keys.update(id, { disabled: true })],
    ['that has expired', (drun, { id }) => drun.keys.update(id, { expiresAt: new Date(0) })],
  ])('rejects a key %s, and includes it in plain text in the message', async (_, prepare) => {
    const drun = createEmulator();
    const created = await createKey(drun);
    const prepared = await prepare(drun, created);
    const key = typeof prepared === 'string' ? prepared : created.key;
    const response = await chat(drun, key);
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error: { message: `Incorrect API key provided: ${key}` } });
  });

  it.each(['/v1/responses', '/v1/embeddings', '/v1/chat/completions/', '/v1', '/'])(
    'does not serve %s',
    async (path) => {
      const { drun, key } = await withKey();
      const init = { method: 'POST', headers: { authorization: `Bearer ${key}` }, body: '{}' };
      const response = await drun.fetch(CHAT + path, init);
      expect(response.status).toBe(404);
      expect(await response.text()).toBe('404 page not found\n');
    },
  );

  it('explains in the log that an endpoint of OpenAI is not part of d.run', async () => {
    const { drun } = await withKey();
    await drun.fetch(`${CHAT}/v1/responses`, { method: 'POST' });
    expect([...drun.requests].at(-1)?.reason).toBe(
      'd.run does not serve this path. Use `/v1/chat/completions` instead.',
    );
  });

  it('has no model for images', async () => {
    const { drun, key } = await withKey();
    const response = await drun.fetch(`${CHAT}/v1/images/generations`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: '{"model":"public/deepseek-r1","prompt":"a cat"}',
    });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({
      error: { message: 'upstream unknown error: 404 Not Found' },
    });
  });
});

describe('the endpoint without chat', () => {
  const complete = async (fields: object): Promise<Response> => {
    const { drun, key } = await withKey();
    return drun.fetch(`${CHAT}/v1/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: 'public/deepseek-r1', prompt: 'Hello!', ...fields }),
    });
  };

  it('completes a prompt', async () => {
    expect(await (await complete({})).json()).toMatchObject({
      object: 'text_completion',
      choices: [{ index: 0, text: 'Hello!', finish_reason: 'stop' }],
    });
  });

  it('returns `n` choices for each prompt, and the usage of all', async () => {
    const { choices, usage } = await (await complete({ prompt: ['One', 'Two'], n: 2 })).json();
    expect(choices.map(({ index, text }: { index: number; text: string }) => [index, text])).toEqual([
      [0, 'One'],
      [1, 'One'],
      [2, 'Two'],
      [3, 'Two'],
    ]);
    expect(usage).toMatchObject({ prompt_tokens: 2, completion_tokens: 3 });
    const chunks = (await events(await complete({ prompt: ['One', 'Two'], n: 2, stream: true }))).slice(
      0,
      -1,
    );
    const streamed = ['', '', '', ''];
    for (const { index, text } of chunks.flatMap((chunk) => JSON.parse(chunk).choices))
      streamed[index] += text;
    expect(streamed).toEqual(['One', 'One', 'Two', 'Two']);
  });

  it('replies to each prompt by the rules, and with a reply in wire format to all', async () => {
    const { drun, key } = await withKey();
    const [first, ...others] = ['a', { choices: [{ message: { content: 'b' } }] }, 'c'];
    drun.rules.add({ reply: [first, ...others] as string[] });
    const send = async (prompt: string[]): Promise<string[]> => {
      const response = await drun.fetch(`${CHAT}/v1/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}` },
        body: JSON.stringify({ model: 'public/deepseek-r1', prompt }),
      });
      return (await response.json()).choices.map(({ text }: { text: string }) => text);
    };
    expect(await send(['One', 'Two'])).toEqual(['b']);
    expect(await send(['One', 'Two'])).toEqual(['c', 'Two']);
  });

  it.each([[''], [[]]])('rejects the empty prompt %j', async (prompt) => {
    expect((await complete({ prompt })).status).toBe(400);
  });

  it('streams the text', async () => {
    const data = (await events(await complete({ stream: true })))
      .slice(0, -1)
      .map((text) => JSON.parse(text));
    const choices = data.flatMap((chunk) => chunk.choices);
    expect(choices.map(({ text }) => text).join('')).toBe('Hello!');
    expect(choices.at(-1).finish_reason).toBe('stop');
    expect(data[0].object).toBe('text_completion');
  });
});

describe('matchesGlob', () => {
  it.each([
    ['*', 'a', true],
    ['*', 'a/b', false],
    ['a/*', 'a/b/c', false],
    ['**', 'a/b/c', true],
    ['a/**', 'a/b/c', true],
    ['a/**', 'a', true],
    ['**/*', 'plain', true],
    ['public/**/x', 'public/x', true],
    ['public/**/x', 'public/a/b/x', true],
    ['public/**/x', 'publicx', false],
    ['a**b', 'a1b', true],
    ['a**b', 'a/b', false],
    ['a/**.r1', 'a/b/c.r1', false],
    ['}{a,b}', '}b', true],
    ['*-r1', 'deepseek-r1', true],
    ['model-?', 'model-1', true],
    ['model-?', 'model-/', false],
    ['model-[12]', 'model-2', true],
    ['model-[^12]', 'model-2', false],
    ['model-[a-c]', 'model-b', true],
    ['{a,b/*}', 'b/c', true],
    ['{a,b}', 'a,b', false],
    ['a.b', 'axb', false],
    ['a+(b)', 'a+(b)', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['a', 'A', false],
    ['', '', true],
    ['a', 'ab', false],
    ['[a', '[a', false],
    ['{a', '{a', false],
  ])('matches %j with %j: %j', (glob, text, expected) => {
    expect(matchesGlob(glob, text)).toBe(expected);
  });
});
