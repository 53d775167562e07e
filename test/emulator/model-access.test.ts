import { createEmulator } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { matchesGlob, modelAccess } from '../../src/emulator/keys/model-access.ts';
import { CHAT, chat } from './wire.ts';

const MODELS = ['deepseek-r1', 'public/deepseek-r1', 'u-kebe/test', 'u-other/test'];

async function listed(drun: ReturnType<typeof createEmulator>, key: string): Promise<string[]> {
  const response = await drun.fetch(`${CHAT}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  const { data } = (await response.json()) as { data: { id: string }[] };
  return data.map(({ id }) => id);
}

describe('the models that a key may use', () => {
  it.each<[string, readonly string[], readonly string[], readonly string[]]>([
    ['all of them', [], [], MODELS],
    ['names without a slash', ['*'], [], ['deepseek-r1']],
    ["one user's", ['u-kebe/*'], [], ['u-kebe/test']],
    ['everything', ['**'], [], MODELS],
    ['several lists', ['public/*', 'u-other/test'], [], ['public/deepseek-r1', 'u-other/test']],
    ['all but one', [], ['public/deepseek-r1'], ['deepseek-r1', 'u-kebe/test', 'u-other/test']],
    [
      'nothing that is denied, also where it is allowed',
      ['**'],
      ['u-*/*'],
      ['deepseek-r1', 'public/deepseek-r1'],
    ],
  ])('are %s', async (_, allowModels, denyModels, expected) => {
    const drun = createEmulator({ models: MODELS });
    const key = drun.keys.create({ name: 'checkout', allowModels, denyModels }).secret.reveal();
    expect(await listed(drun, key)).toEqual(expected);
    for (const model of MODELS) {
      const { status } = await chat(drun, key, { model });
      expect(status === 200, model).toBe(expected.includes(model));
    }
  });

  it('are refused with 403 where they are denied, also where there is no such model', async () => {
    const drun = createEmulator({ models: MODELS });
    const { secret } = drun.keys.create({ name: 'checkout', denyModels: ['u-kebe/*'] });
    for (const model of ['u-kebe/test', 'u-kebe/unknown']) {
      const response = await chat(drun, secret.reveal(), { model });
      expect(response.status).toBe(403);
      expect(await response.json()).toEqual({
        error: {
          code: 'model_access_denied',
          type: 'invalid_request_error',
          message: expect.stringContaining(model),
          param: null,
        },
      });
    }
  });

  it('look like none at all where they are not allowed: 404', async () => {
    const drun = createEmulator({ models: MODELS });
    const { secret } = drun.keys.create({ name: 'checkout', allowModels: ['public/*'] });
    const answers = await Promise.all(
      ['u-kebe/test', 'unknown'].map(async (model) => {
        const response = await chat(drun, secret.reveal(), { model });
        expect(response.status).toBe(404);
        return (await response.text()).replaceAll(model, 'MODEL');
      }),
    );
    expect(answers[0]).toBe(answers[1]);
  });

  it('are looked at before the quota, and the quota before the messages', async () => {
    const drun = createEmulator({ models: MODELS });
    const { secret } = drun.keys.create({ name: 'checkout', quota: 0, denyModels: ['u-kebe/*'] });
    const status = async (request: object): Promise<number> =>
      (await chat(drun, secret.reveal(), request)).status;
    expect(await status({ model: 'u-kebe/test' })).toBe(403);
    expect(await status({ model: 'unknown' })).toBe(404);
    expect(await status({ model: 'public/deepseek-r1', messages: [] })).toBe(402);
    expect(await status({ model: 7 })).toBe(400);
  });

  it('are on the list of keys', async () => {
    const drun = createEmulator();
    drun.keys.create({ name: 'checkout', allowModels: ['public/*'], denyModels: ['public/dear'] });
    const response = await drun.fetch('https://console.d.run/apis/hydra.io/v1alpha1/apikeys', {
      headers: { authorization: `Bearer ${drun.accessToken.reveal()}` },
    });
    expect(await response.json()).toMatchObject({
      items: [{ allowModels: ['public/*'], denyModels: ['public/dear'] }],
    });
  });
});

describe('a glob', () => {
  it.each([
    ['*', 'a', true],
    ['*', 'a/b', false],
    ['a/*', 'a/b', true],
    ['a/*', 'a/b/c', false],
    ['**', 'a/b/c', true],
    ['a/**', 'a/b/c', true],
    ['*-r1', 'deepseek-r1', true],
    ['a.b', 'axb', false],
    ['a+(b)', 'a+(b)', true],
    ['a', 'A', false],
    ['', '', true],
    ['a', 'ab', false],
  ])('"%s" and "%s": %s', (glob, text, matches) => {
    expect(matchesGlob(glob, text)).toBe(matches);
  });

  it('that denies beats one that allows', () => {
    expect(modelAccess({ allowModels: ['a'], denyModels: ['a'] }, 'a')).toBe('denied');
  });
});
