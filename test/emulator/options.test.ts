import { createEmulator, type EmulatorOptions } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { chat, control, createKey, seededRandom, type WireKey } from './wire.ts';

describe('the options of createEmulator', () => {
  const wrong: [string, unknown][] = [
    ['maxKeys', '5'],
    ['maxKeys', -1],
    ['maxKeys', 1.5],
    ['maxKeys', Number.NaN],
    ['version', '0.14'],
    ['models', 'public/deepseek-r1'],
    ['models.0', ['']],
    ['reply', 7],
    ['reply.contents', { contents: 'Hello!' }],
    ['reply.content', { content: null }],
    ['sleep', 5],
    ['onRequest', 'log'],
    ['upstream', 'not a URL'],
    ['upstream', 'ftp://127.0.0.1/v1'],
    ['upstream', 'http://user:password@127.0.0.1/v1'],
    ['upstream.url', {}],
    ['upstream.apiKey', { url: 'http://127.0.0.1', apiKey: 'with a space' }],
    ['upstream.fetch', { url: 'http://127.0.0.1', fetch: 'fetch' }],
    ['accessToken', 'with a space'],
    ['accessToken', ''],
    ['now', 0],
    ['random', 0.5],
    ['behind', 'proxy'],
    ['strict', 'yes'],
    ['models.0.contextLength', [{ id: 'x', contextLength: 0 }]],
    ['rules', {}],
    ['rules.1.when.nth', [{ reply: 'x' }, { reply: 'x', when: { nth: 0 } }]],
    ['keys.0.nme', [{ name: 'x', nme: 'x' }]],
    ['faults.0.status', [{ status: 9 }]],
    ['faults.0.mode', [{ status: 503, mode: 'often' }]],
    ['faults.0.probability', [{ mode: 'random', probability: 2 }]],
    ['latency', 5],
  ];
  it.each(wrong)('are rejected with an error that names `%s`: %o', (option, value) => {
    const create = (): unknown => createEmulator({ [option.split('.')[0] ?? '']: value } as EmulatorOptions);
    expect(create).toThrow(TypeError);
    expect(create).toThrow(`\`${option}\``);
  });

  it('are not shown in the error of an invalid access token', () => {
    expect(() => createEmulator({ accessToken: 'token of mine' })).toThrow(/^(?!.*of mine)/);
  });

  it('are copied, so that changing the array of models later has no effect', async () => {
    const models = ['public/one'];
    const drun = createEmulator({ models });
    const { key } = await createKey(drun);
    models.push('public/two');
    expect((await chat(drun, key, { model: 'public/two' })).status).toBe(404);
  });

  it('have default values if they are undefined', async () => {
    const drun = createEmulator({ maxKeys: undefined, models: undefined, reply: undefined });
    const { key } = await createKey(drun);
    expect((await chat(drun, key)).status).toBe(200);
  });

  it('make runs repeatable with `random` and `now`', async () => {
    const run = async (): Promise<unknown[]> => {
      const drun = createEmulator({ random: seededRandom(7), now: () => Date.UTC(2026, 0, 1) });
      const first = await createKey(drun);
      const completion = await (await chat(drun, first.key)).json();
      return [drun.accessToken.reveal(), first, await createKey(drun), completion];
    };
    expect(await run()).toEqual(await run());
  });

  it('create different keys even if `random` always returns the same number', async () => {
    const drun = createEmulator({ random: () => 0 });
    const deleted = await createKey(drun);
    await control(drun, 'DELETE', `/apikeys/${deleted.id}`, {});
    const second = await createKey(drun);
    drun.reset();
    const third = await createKey(drun);
    const createdKeys: WireKey[] = [deleted, second, third];
    expect(new Set(createdKeys.map(({ key }) => key)).size).toBe(3);
    expect(new Set(createdKeys.map(({ id }) => id)).size).toBe(3);
  });

  it('without `random` create a different access token for each emulator', () => {
    const tokens = Array.from({ length: 50 }, () => createEmulator().accessToken.reveal());
    expect(new Set(tokens).size).toBe(50);
  });
});
