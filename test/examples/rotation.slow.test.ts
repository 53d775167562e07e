import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { postgresIsMissing, startPostgres } from '../support/postgres.ts';

/*
 * The examples of key rotation, run as they are, in processes that come and go while the service and the store stay.
 */

const root = fileURLToPath(new URL('../..', import.meta.url));
const preload = ['--import', fileURLToPath(new URL('emulated-drun.ts', import.meta.url))];
const timeout = 60_000;

/** d.run with room for two keys, and what an example's environment has to have. */
async function newSurroundings(): Promise<{ drun: Emulator; env: NodeJS.ProcessEnv }> {
  const drun = createEmulator({ maxKeys: 2 });
  const server = await serve(drun);
  const folder = await mkdtemp(join(tmpdir(), 'drun-sdk-example-'));
  onTestFinished(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });
  const env = {
    ...process.env,
    DRUN_EMULATOR: server.url,
    DRUN_ACCESS_TOKEN: drun.accessToken.reveal(),
    DRUN_ENCRYPTION_KEY: Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64'),
    KEY_RINGS: join(folder, 'key-rings'),
    PORT: '0',
  };
  return { drun, env };
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ended> {
  const child = spawn(process.execPath, [...preload, ...args], { cwd: root, env });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, stdout: inGeneral(stdout), stderr: inGeneral(stderr) };
}

/** What was printed, without what is another one every time. */
function inGeneral(printed: string): string {
  return printed
    .replace(/sk-\*{6}[\w-]{4}/g, 'sk-******…')
    .replace(/\d{4}-\d\d-\d\d/g, 'today')
    .replace(/(127\.0\.0\.1):\d+/g, '$1:…');
}

describe('the example of a service', () => {
  test('responds with a key that it created, and stops cleanly', { timeout }, async () => {
    const { drun, env } = await newSurroundings();
    const service = await startService(env);

    expect(await service.ask('Hello, model!')).toBe('Hello, model!');
    await service.stop();

    expect(service.printed()).toBe(
      'the current key is sk-******…\nlistening on http://127.0.0.1:…\nstopped\n',
    );
    const others = [...drun.keys].filter(({ name }) => !name.startsWith('kr1-checkout-'));
    expect(others).toEqual([]);
  });

  test('shares one key between several processes', { timeout }, async () => {
    const { drun, env } = await newSurroundings();
    const services = await Promise.all([startService(env), startService(env)]);

    for (const { ask } of services) expect(await ask('Hello!')).toBe('Hello!');
    await Promise.all(services.map(({ stop }) => stop()));

    const used = [...drun.requests].filter(({ path }) => path === '/v1/chat/completions');
    expect(used).toHaveLength(2);
    expect(new Set(used.map(({ credential }) => credential)).size).toBe(1);
  });
});

async function startService(env: NodeJS.ProcessEnv) {
  const child: ChildProcess = spawn(process.execPath, [...preload, 'examples/rotation-service.ts'], {
    cwd: root,
    env,
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const closed = once(child, 'close');
  let printed = '';
  const address = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk) => {
        printed += chunk;
        const [, url] = /listening on (\S+)\n/.exec(printed) ?? [];
        if (url) resolve(url);
      });
    }
    void closed.then(() => reject(new Error(`the service has ended: ${printed}`)));
  });
  return {
    printed: () => inGeneral(printed),
    ask: async (question: string): Promise<string> =>
      (await fetch(address, { method: 'POST', body: question })).text(),
    stop: async (): Promise<void> => {
      child.kill('SIGTERM');
      expect(await closed).toEqual([0, null]);
    },
  };
}

describe('the example of a job', () => {
  test('creates the keys, and does nothing on the next run', { timeout }, async () => {
    const { env } = await newSurroundings();
    const keys = 'current: sk-******…, created today\nstandby: sk-******…, created today\n';

    expect(await run(['examples/rotation-cron.ts'], env)).toEqual({
      code: 0,
      stdout: `created sk-******…\ncreated sk-******…\n${keys}`,
      stderr: '',
    });
    expect(await run(['examples/rotation-cron.ts'], env)).toEqual({ code: 0, stdout: keys, stderr: '' });
  });

  test('exits with 1 and prints the reason', { timeout }, async () => {
    const { env } = await newSurroundings();
    const wrongToken = { ...env, DRUN_ACCESS_TOKEN: 'not-an-access-token' };

    const { code, stdout, stderr } = await run(['examples/rotation-cron.ts'], wrongToken);

    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^authentication_failed: .+\n$/);
    expect(stderr).not.toContain('not-an-access-token');
  });
});

describe.skipIf(postgresIsMissing)(`the example of a function${postgresIsMissing}`, () => {
  test('responds in instances that share the key of the schedule', { timeout }, async () => {
    const { drun, env } = await newSurroundings();
    const postgres = await startPostgres();
    onTestFinished(() => postgres.close());
    const DATABASE_URL = `postgres://drun@127.0.0.1:${postgres.port}/postgres`;
    const call = (what: string): Promise<Ended> =>
      run(
        [
          '--input-type=module',
          '--eval',
          `import handler from './examples/rotation-function.ts'; const env = process.env; ${what}`,
        ],
        { ...env, DATABASE_URL },
      );
    const ask = `const request = new Request('http://function', { method: 'POST', body: 'Hello, model!' });
      console.log(await (await handler.fetch(request, env)).text());`;

    expect(await call('await handler.scheduled({}, env);')).toEqual({ code: 0, stdout: '', stderr: '' });
    const answered = { code: 0, stdout: 'Hello, model!\n', stderr: '' };
    expect(await Promise.all([call(ask), call(ask)])).toEqual([answered, answered]);
    expect([...drun.keys]).toHaveLength(2);
  });
});
