import { inspect } from 'node:util';
import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import { Secret } from 'drun-sdk/secret';
import { describe, expect, it } from 'vitest';
import { CHAT, CONSOLE, CONTROL, chat, control, createKey } from './wire.ts';

/** All printable representations of an emulator. */
function printedForms(drun: Emulator): string {
  const views = [
    drun,
    [...drun.keys],
    [...drun.requests],
    drun.accessToken,
    drun.fetch,
    drun.keys,
    drun.requests,
  ];
  return views
    .flatMap((view) => [
      inspect(view, { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true }),
      JSON.stringify(view),
      String(view),
    ])
    .join('\n');
}

describe('an emulator shows no credential', () => {
  it('when it is inspected, serialized or converted to a string', async () => {
    const drun = createEmulator();
    const kept = await createKey(drun);
    const deleted = await createKey(drun);
    await control(drun, 'DELETE', `/apikeys/${deleted.id}`, {});
    await control(drun, 'GET', `/apikeys/${kept.id}/secret`);
    await chat(drun, kept.key, { stream: true });
    await chat(drun, 'sk-somebody-elses-key-0123456789');
    const text = printedForms(drun);
    for (const credential of [
      drun.accessToken.reveal(),
      kept.key,
      deleted.key,
      'sk-somebody-elses-key-0123456789',
    ]) {
      expect(text).not.toContain(credential);
      expect(text).not.toContain(credential.slice(3, 20));
    }
    expect(text).toContain(new Secret(kept.key).masked);
  });

  it('that a URL contains', async () => {
    const accessToken = 'short-token';
    const drun = createEmulator({ accessToken });
    const { key } = await createKey(drun);
    const encoded = Array.from(key, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');
    const unknownId = '0f8fad5b-d9cb-469f-a165-70867728950e';
    const paths = [
      `/${key}`,
      `/${encoded}`,
      `/apikeys/${key}/secret`,
      `/apikeys?page.search=${key}&access_token=${accessToken}`,
      `/apikeys/${unknownId}`,
      `/${accessToken}/${accessToken}`,
      '/before-sk-short',
    ];
    for (const path of paths) {
      await control(drun, 'GET', path);
      await drun.fetch(`${CHAT}/v1${path}`);
    }
    const text = printedForms(drun);
    for (const credential of [key, encoded, key.slice(3, 20), unknownId, accessToken, 'sk-short']) {
      expect(text).not.toContain(credential);
    }
    expect(text).toContain(`${CONTROL}/apikeys/sk-******${key.slice(-4)}/secret`);
  });

  it.each([
    [
      'the wrong scheme',
      'Basic c2VjcmV0LXVzZXI6c2VjcmV0LXBhc3N3b3Jk',
      'c2VjcmV0LXVzZXI6c2VjcmV0LXBhc3N3b3Jk',
    ],
    ['no scheme', 'sk-the-full-header-is-the-key', 'the-full-header-is-the-key'],
    ['spaces', 'Bearer first-credential second-credential', 'first-credential'],
  ])('that is sent with %s', async (_, authorization, credential) => {
    const drun = createEmulator();
    await drun.fetch(`${CONSOLE}${CONTROL}/apikeys/${credential}`, { headers: { authorization } });
    expect([...drun.requests]).toHaveLength(1);
    expect(printedForms(drun)).not.toContain(credential);
  });

  it('in the error of an option that throws', async () => {
    const drun = createEmulator({
      accessToken: 'some-access-token',
      sleep: () => Promise.reject(new RangeError('no timers')),
    });
    const { key } = await createKey(drun);
    drun.faults.next({ delayMs: 1 });
    const thrown: unknown = await chat(drun, key).catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(RangeError);
    const text = inspect(thrown, { depth: Number.POSITIVE_INFINITY, showHidden: true });
    expect(text).not.toContain(key);
    expect(text).not.toContain('some-access-token');
  });
});

describe('an entry of the log', () => {
  it('is a copy', async () => {
    const drun = createEmulator({ now: () => 0 });
    await drun.fetch(`${CHAT}/v1/models`);
    const [entry] = drun.requests;
    entry?.at.setTime(1);
    expect([...drun.requests][0]?.at).toEqual(new Date(0));
  });
});
