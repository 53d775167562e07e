import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import { describe, expect, it, onTestFinished } from 'vitest';

const hasCurl = ((): boolean => {
  try {
    execFileSync('curl', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

async function serveEmulator(): Promise<{ drun: Emulator; url: string; key: string }> {
  const drun = createEmulator();
  const server = await serve(drun);
  onTestFinished(() => server.close());
  return { drun, url: server.url, key: drun.keys.create({ name: 'curl' }).secret.reveal() };
}

/** Runs curl and returns its output. Throws if curl fails. */
async function curl(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('curl', ['-sS', ...args]);
  return stdout;
}

describe.skipIf(!hasCurl)(hasCurl ? 'curl' : 'curl (skipped: it is not installed)', () => {
  const body = '{"model":"public/deepseek-r1","messages":[{"role":"user","content":"Hello!"}]}';

  it('receives a completion and a stream', async () => {
    const { url, key } = await serveEmulator();
    const post = (data: string): Promise<string> =>
      curl(`${url}/v1/chat/completions`, '-H', `Authorization: Bearer ${key}`, '-d', data);
    expect(JSON.parse(await post(body))).toMatchObject({ choices: [{ message: { content: 'Hello!' } }] });
    const events = (await post(body.replace('}]}', '}],"stream":true}'))).split('\n\n');
    expect(events.at(-2)).toBe('data: [DONE]');
    expect(events.at(-3)).toContain('"usage"');
  });

  it('manages keys', async () => {
    const { drun, url } = await serveEmulator();
    const token = ['-H', `Authorization: Bearer ${drun.accessToken.reveal()}`];
    const base = `${url}/apis/hydra.io/v1alpha1/apikeys`;
    const created = JSON.parse(await curl(base, ...token, '-d', '{"name":"second"}'));
    expect(created).toMatchObject({ name: 'second', key: expect.stringMatching(/^sk-/) });
    const { items } = JSON.parse(await curl(`${base}?page.search=second`, ...token));
    expect(items).toMatchObject([{ id: created.id, key: expect.stringContaining('******') }]);
    const status = ['-o', '/dev/null', '-w', '%{http_code}'];
    expect(await curl(`${base}/${created.id}`, ...token, ...status, '-X', 'DELETE')).toBe('400');
    expect(await curl(`${base}/${created.id}`, ...token, ...status, '-X', 'DELETE', '-d', '{}')).toBe('200');
  });

  it('sends a large body with Expect: 100-continue', async () => {
    const { url, key } = await serveEmulator();
    const content = 'x'.repeat(1_500_000);
    const child = promisify(execFile)(
      'curl',
      ['-sS', `${url}/v1/chat/completions`, '-H', `Authorization: Bearer ${key}`, '-d', '@-'],
      { maxBuffer: 10_000_000 },
    );
    child.child.stdin?.end(body.replace('Hello!', content));
    const { stdout } = await child;
    expect(JSON.parse(stdout)).toMatchObject({ choices: [{ message: { content } }] });
  });

  it('reports a lost connection', async () => {
    const { drun, url, key } = await serveEmulator();
    drun.faults.next({ dropConnection: true });
    drun.faults.next({ dropAfterChunks: 2 });
    const chatRequest = (): Promise<string> =>
      curl(`${url}/v1/chat/completions`, '-H', `Authorization: Bearer ${key}`, '-d', body);
    await expect(chatRequest()).rejects.toMatchObject({ stderr: expect.stringContaining('(52)') });
    await expect(chatRequest()).rejects.toMatchObject({ stderr: expect.stringContaining('(18)') });
  });
});
