import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createEmulator } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import { describe, expect, it, onTestFinished } from 'vitest';

/* Runs the command as a process. Starting it takes up to a second, so some tests check several options. */

// The source file, whose types Node strips.
const PROGRAM = fileURLToPath(new URL('../../src/emulator/cli.ts', import.meta.url));
const KEY = 'sk-scripted-key-0123456789';

interface Running {
  readonly line: () => Promise<string>;
  readonly signal: (name: NodeJS.Signals) => void;
  readonly exited: Promise<readonly unknown[]>;
  readonly closeOutput: () => void;
}

/** Starts the command. It is killed after the test. */
function start(args: readonly string[], environment: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [PROGRAM, 'emulator', ...args], {
    env: { ...process.env, ...environment },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    line: async () => String((await lines.next()).value),
    signal: (name) => void child.kill(name),
    exited: once(child, 'exit'),
    closeOutput: () => child.stdout.destroy(),
  };
}

/** Runs the command until it exits. */
function run(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [PROGRAM, ...args],
      { env: { ...process.env, ...env } },
      (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });
}

const question = (model: string): string =>
  JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello!' }] });

describe('drun-sdk emulator', { timeout: 60_000 }, () => {
  it('prints the variables to export, the URL of the dashboard with its token, and a line per request', async () => {
    const running = start(['--port', '0', '--allowed-host', 'emulator.test']);
    expect(await running.line()).toMatch(/^d\.run 0\.17, emulated at http:\/\/127\.0\.0\.1:\d+$/);
    const dashboard = (await running.line()).replace('Dashboard: ', '');
    const variables: Record<string, string> = {};
    let curl = '';
    while (!curl.endsWith("}'")) {
      const line = await running.line();
      const [, name, value] = /^export (\w+)='(.*)'$/.exec(line) ?? [];
      if (name !== undefined) variables[name] = value ?? '';
      else if (line !== '') curl += line;
    }
    const { DRUN_CHAT_URL: url = '', DRUN_ACCESS_TOKEN: token = '', DRUN_API_KEY: key = '' } = variables;
    expect(variables).toMatchObject({
      DRUN_CONSOLE_URL: url,
      OPENAI_BASE_URL: `${url}/v1`,
      OPENAI_API_KEY: key,
    });
    expect(curl).toContain('$OPENAI_BASE_URL/chat/completions');
    expect(dashboard).toBe(`${url}/_emulator/#token=${token}`);
    await running.line();

    const send = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body: question('public/deepseek-r1') });
    expect((await send({ authorization: `Bearer ${key}` })).status).toBe(200);
    expect(await running.line()).toMatch(
      /^\d\d:\d\d:\d\d POST \/v1\/chat\/completions 200 \d+ ms sk-\*{6}[\w-]{4}$/,
    );
    expect((await send({ authorization: 'Bearer sk-unknown-0123456789' })).status).toBe(401);
    expect(await running.line()).toMatch(/401 \d+ ms sk-\*{6}6789 \(The API key is unknown\.\)$/);
    running.signal('SIGINT');
    expect(await running.exited).toEqual([0, null]);
  });

  it('runs a script, prints JSON lines and ends at once with open streams', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drun-cli-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const script = join(folder, 'scenario.json');
    await writeFile(
      script,
      JSON.stringify({
        models: ['scripted'],
        keys: [{ name: 'random' }, { name: 'ci', key: KEY }],
        rules: [{ when: { lastMessage: 'Hello' }, reply: ['one', 'two'] }],
        faults: [{ operation: 'chat', nth: 3, stallAfterChunks: 1 }],
      }),
    );
    const args = [
      '--port',
      '0',
      '--json',
      '--script',
      script,
      '--strict',
      '--max-keys=2',
      '--version',
      '0.15',
    ];
    const running = start(args);
    const { url, apiKey, accessToken, ...listening } = JSON.parse(await running.line());
    expect(listening).toMatchObject({
      event: 'listening',
      openaiBaseUrl: `${url}/v1`,
      version: '0.15',
      models: ['scripted'],
    });
    expect(apiKey).toBe(KEY);
    const send = (fields: object = {}): Promise<Response> =>
      fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${KEY}` },
        body: JSON.stringify({ ...JSON.parse(question('scripted')), ...fields }),
      });
    expect(await (await send()).text()).toContain('one');
    expect(JSON.parse(await running.line())).toMatchObject({ event: 'request', status: 200, rule: 1 });
    expect(await (await send()).text()).toContain('two');
    const rules = await fetch(`${url}/_emulator/rules`, {
      method: 'POST',
      headers: { authorization: `Bearer ${accessToken}` },
      body: JSON.stringify({ reply: 'three' }),
    });
    expect(rules.status).toBe(201);
    const reader = (await send({ stream: true })).body?.getReader();
    await reader?.read();
    const reading = reader?.read();
    running.signal('SIGTERM');
    await expect(reading).rejects.toThrow();
    expect(await running.exited).toEqual([0, null]);
  });

  it('forwards requests to a model server with its key', async () => {
    const upstream = createEmulator({ reply: 'from upstream', models: ['llama3'] });
    await using server = await serve(upstream);
    const environment = { DRUN_UPSTREAM_API_KEY: upstream.keys.create({ name: 'emulator' }).secret.reveal() };
    const running = start(['--port', '0', '--json', '--upstream', server.url, '--no-admin'], environment);
    const { url, accessToken, ...listening } = JSON.parse(await running.line());
    expect(listening).not.toHaveProperty('dashboard');
    expect((await fetch(`${url}/_emulator/`)).status).toBe(404);
    const created = await fetch(`${url}/apis/hydra.io/v1alpha1/apikeys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${accessToken}` },
      body: '{"name":"a"}',
    });
    const { key } = (await created.json()) as { key: string };
    const headers = { authorization: `Bearer ${key}` };
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers,
      body: question('llama3'),
    });
    expect(await response.text()).toContain('from upstream');
    await running.line();
    await running.line();
    expect(JSON.parse(await running.line())).toMatchObject({ model: 'llama3', status: 200 });
    // The reader closes the pipe, as in `drun-sdk emulator | head -1`.
    running.closeOutput();
    for (let count = 0; count < 2; count++) await fetch(`${url}/v1/models`).catch(() => {});
    expect(await running.exited).toEqual([0, null]);
  });

  it('prints its help with --help and without a subcommand', async () => {
    const [plain, help] = await Promise.all([run([]), run(['emulator', '--help'])]);
    expect(plain).toEqual(help);
    expect(help.stdout).toContain('Usage: drun-sdk emulator [options]');
    expect(help.stdout).toContain('--script <file>');
  });

  it.each<[string[], string, Record<string, string>?]>([
    [['sk-a-misplaced-key'], 'The first argument must be the subcommand `emulator`. See --help.'],
    [['emulator', 'sk-a-misplaced-key'], 'Only options may follow `emulator`. See --help.'],
    [['emulator', '--prot', '1'], "Unknown option '--prot'. See --help."],
    [['emulator', '--port', 'abc'], '`port`: Invalid input: expected number, received NaN. See --help.'],
    [['emulator', '--port='], '`port`: Invalid input: expected number, received NaN. See --help.'],
    [
      ['emulator', '--version', '1.0'],
      '`version`: Invalid option: expected one of "0.15"|"0.16"|"0.17". See --help.',
    ],
    [
      ['emulator', '--script', '/does/not/exist.json'],
      "Cannot read the script /does/not/exist.json: ENOENT: no such file or directory, open '/does/not/exist.json'. See --help.",
    ],
    [
      ['emulator', '--script', PROGRAM],
      `Cannot read the script ${PROGRAM}: it must contain a JSON object. See --help.`,
    ],
    [
      ['emulator', '--upstream', 'http://127.0.0.1:1'],
      '`upstream.apiKey` must be printable ASCII characters without spaces. See --help.',
      { DRUN_UPSTREAM_API_KEY: 'no key' },
    ],
  ])('rejects %j with one line and exit code 2', async (args, message, environment) => {
    expect(await run(args, environment)).toEqual({ code: 2, stdout: '', stderr: `drun-sdk: ${message}\n` });
  });

  it('exits with 1 if the port is in use', async () => {
    await using server = await serve(createEmulator());
    const { code, stderr } = await run(['emulator', '--port', String(server.port)]);
    expect(code).toBe(1);
    expect(stderr).toBe(`drun-sdk: cannot listen on port ${server.port} of 127.0.0.1: the port is in use.\n`);
  });
});
