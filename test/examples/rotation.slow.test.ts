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
import { postgresSkipNote, startPostgres } from '../support/postgres.ts';

/* Runs the key rotation examples in several processes that share a service and a store. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const preload = ['--import', fileURLToPath(new URL('emulated-drun.ts', import.meta.url))];
const timeout = 60_000;

/** Creates an emulator that allows two keys, and the environment variables of an example. */
async function newEnvironment(): Promise<{ drun: Emulator; env: NodeJS.ProcessEnv }> {
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

interface ProcessResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<ProcessResult> {
  const child = spawn(process.execPath, [...preload, ...args], { cwd: root, env });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, stdout: withoutVariableParts(stdout), stderr: withoutVariableParts(stderr) };
}

/** Replaces the parts of an output that vary between runs. */
function withoutVariableParts(output: string): string {
  return output
    .replace(/sk-\*{6}[\w-]{4}/g, 'sk-******…')
    .replace(/\d{4}-\d\d-\d\d/g, 'today')
    .replace(/(127\.0\.0\.1):\d+/g, '$1:…');
}

describe('rotation-service.ts', () => {
  test('responds with a key that it created, and stops cleanly', { timeout }, async () => {
    const { drun, env } = await newEnvironment();
    const service = await startService(env);

    expect(await service.ask('Hello, model!')).toBe('Hello, model!');
    await service.stop();

    expect(service.output()).toBe(
      'the current key is sk-******…\nlistening on http://127.0.0.1:…\nstopped\n',
    );
    const others = [...drun.keys].filter(({ name }) => !name.startsWith('kr1-checkout-'));
    expect(others).toEqual([]);
  });

  test('shares one key between several processes', { timeout }, async () => {
    const { drun, env } = await newEnvironment();
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
  let output = '';
  const address = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk) => {
        output += chunk;
        const [, url] = /listening on (\S+)\n/.exec(output) ?? [];
        if (url) resolve(url);
      });
    }
    void closed.then(() => reject(new Error(`the service exited: ${output}`)));
  });
  return {
    output: () => withoutVariableParts(output),
    ask: async (question: string): Promise<string> =>
      (await fetch(address, { method: 'POST', body: question })).text(),
    stop: async (): Promise<void> => {
      child.kill('SIGTERM');
      expect(await closed).toEqual([0, null]);
    },
  };
}

describe('rotation-cron.ts', () => {
  test('creates the keys, and changes nothing on the next run', { timeout }, async () => {
    const { env } = await newEnvironment();
    const keys = 'current: sk-******…, created today\nstandby: sk-******…, created today\n';

    expect(await run(['examples/rotation-cron.ts'], env)).toEqual({
      code: 0,
      stdout: `created sk-******…\ncreated sk-******…\n${keys}`,
      stderr: '',
    });
    expect(await run(['examples/rotation-cron.ts'], env)).toEqual({ code: 0, stdout: keys, stderr: '' });
  });

  test('exits with 1 and prints the reason', { timeout }, async () => {
    const { env } = await newEnvironment();
    const wrongToken = { ...env, DRUN_ACCESS_TOKEN: 'not-an-access-token' };

    const { code, stdout, stderr } = await run(['examples/rotation-cron.ts'], wrongToken);

    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^authentication_failed: .+\n$/);
    expect(stderr).not.toContain('not-an-access-token');
  });
});

describe.skipIf(postgresSkipNote)(`rotation-function.ts${postgresSkipNote}`, () => {
  test('shares the key of the scheduled handler between instances', { timeout }, async () => {
    const { drun, env } = await newEnvironment();
    const postgres = await startPostgres();
    onTestFinished(() => postgres.close());
    const DATABASE_URL = `postgres://drun@127.0.0.1:${postgres.port}/postgres`;
    const call = (statement: string): Promise<ProcessResult> =>
      run(
        [
          '--input-type=module',
          '--eval',
          `import handler from './examples/rotation-function.ts'; const env = process.env; ${statement}`,
        ],
        { ...env, DATABASE_URL },
      );
    const ask = `const request = new Request('http://function', { method: 'POST', body: 'Hello, model!' });
      console.log(await (await handler.fetch(request, env)).text());`;

    expect(await call('await handler.scheduled({}, env);')).toEqual({ code: 0, stdout: '', stderr: '' });
    const expected = { code: 0, stdout: 'Hello, model!\n', stderr: '' };
    expect(await Promise.all([call(ask), call(ask)])).toEqual([expected, expected]);
    expect([...drun.keys]).toHaveLength(2);
  });
});
