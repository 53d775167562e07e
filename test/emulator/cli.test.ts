import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ApiKeys, ChatClient } from 'drun-sdk';
import { createEmulator } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readArguments, UsageError } from '../../src/emulator/cli/arguments.ts';
import { thrownBy } from '../support/failures.ts';

// From the source: Node strips the types.
const PROGRAM = fileURLToPath(new URL('../../src/emulator/cli/main.ts', import.meta.url));

interface Running {
  /** The next line that it prints. */
  readonly line: () => Promise<string>;
  /** Everything that it printed and nobody has read yet. */
  readonly rest: () => Promise<string>;
  readonly signal: (name: NodeJS.Signals) => void;
  readonly exited: Promise<{ readonly code: number | null; readonly stderr: string }>;
}

/** The command, running; killed after the test. */
function start(args: readonly string[], environment: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [PROGRAM, 'emulator', ...args], {
    env: { ...process.env, ...environment },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return {
    line: async () => {
      const { done, value } = await lines.next();
      if (done) throw new Error(`it printed no further line; ${stderr}`);
      return value;
    },
    rest: async () => {
      let text = '';
      for await (const line of { [Symbol.asyncIterator]: () => lines }) text += `${line}\n`;
      return text;
    },
    signal: (name) => void child.kill(name),
    exited: once(child, 'exit').then(([code]) => ({ code: code as number | null, stderr })),
  };
}

interface Listening {
  readonly event: string;
  readonly url: string;
  readonly openaiBaseUrl: string;
  readonly accessToken: string;
  readonly apiKey?: string;
  readonly models?: string[];
}

/** The command with `--json` on a free port, and what it said first. */
async function startJson(
  args: readonly string[] = [],
  environment: Record<string, string> = {},
): Promise<
  Running & { readonly listening: Listening; readonly next: () => Promise<Record<string, unknown>> }
> {
  const running = start(['--port', '0', '--json', ...args], environment);
  const listening = JSON.parse(await running.line()) as Listening;
  return {
    ...running,
    listening,
    next: async () => JSON.parse(await running.line()) as Record<string, unknown>,
  };
}

const failureOf = async (
  args: readonly string[],
  environment = {},
): Promise<{ code: unknown; stderr: string }> => {
  const env = { ...process.env, ...environment };
  return promisify(execFile)(process.execPath, [PROGRAM, 'emulator', ...args], { env }).then(
    () => ({ code: 0, stderr: '' }),
    ({ code, stderr }: { code: unknown; stderr: string }) => ({ code, stderr }),
  );
};

describe('drun-sdk emulator', { timeout: 30_000 }, () => {
  it('prints what to export, whole, and one line for each request, masked', async () => {
    const running = start(['--port', '0']);
    expect(await running.line()).toMatch(/^d\.run 0\.17, emulated at http:\/\/127\.0\.0\.1:\d+$/);
    const variables: Record<string, string> = {};
    for (let line = await running.line(); !line.startsWith('curl'); line = await running.line()) {
      const [, name = '', value = ''] = /^export (\w+)='(.*)'$/.exec(line) ?? [];
      if (name !== '') variables[name] = value;
    }
    const {
      DRUN_CONSOLE_URL,
      DRUN_CHAT_URL,
      DRUN_ACCESS_TOKEN = '',
      DRUN_API_KEY = '',
      ...openai
    } = variables;
    expect(DRUN_CHAT_URL).toBe(DRUN_CONSOLE_URL);
    expect(openai).toEqual({ OPENAI_BASE_URL: `${DRUN_CONSOLE_URL}/v1`, OPENAI_API_KEY: DRUN_API_KEY });

    const keys = new ApiKeys({ baseUrl: DRUN_CONSOLE_URL, accessToken: DRUN_ACCESS_TOKEN });
    const chat = new ChatClient({ baseUrl: openai.OPENAI_BASE_URL, apiKey: DRUN_API_KEY });
    expect((await keys.list()).items.map(({ name }) => name)).toEqual(['first']);
    const messages = [{ role: 'user', content: 'Hello!' }] as const;
    await chat.complete({ model: 'public/deepseek-r1', messages });

    const expected = [
      /^\d\d:\d\d:\d\d GET \/apis\/hydra\.io\/v1alpha1\/masked-apikeys 200 \d+ ms [\w-]{0,3}\*{6}\w{4}$/,
      /^\d\d:\d\d:\d\d POST \/v1\/chat\/completions 200 \d+ ms sk-\*{6}[\w-]{4}$/,
    ];
    let line = await running.line();
    while (!/^\d\d:/.test(line)) line = await running.line();
    for (const pattern of expected) {
      expect(line).toMatch(pattern);
      expect(line).not.toContain(DRUN_API_KEY);
      if (pattern !== expected.at(-1)) line = await running.line();
    }
    running.signal('SIGINT');
    await running.exited;
  });

  it('prints a curl command that works as it is', async () => {
    const running = start(['--port', '0']);
    let script = '';
    for (let line = await running.line(); !line.includes(' -d '); line = await running.line()) {
      script += line.startsWith('d.run') ? '' : `${line}\n`;
      if (line.includes('\\')) script += `${await running.line()}\n`;
      if (script.includes(' -d ')) break;
    }
    const { stdout } = await promisify(execFile)('bash', ['-c', script.replace('curl', 'curl -sS')]);
    expect(JSON.parse(stdout)).toMatchObject({ choices: [{ message: { content: 'Hello!' } }] });
  });

  it('prints lines for programs with --json', async () => {
    const { listening, next } = await startJson(['--model', 'one', '--model', 'two/three']);
    expect(listening).toEqual({
      event: 'listening',
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      openaiBaseUrl: `${listening.url}/v1`,
      version: '0.17',
      accessToken: expect.stringMatching(/^\w{48}$/),
      apiKey: expect.stringMatching(/^sk-[\w-]{45}$/),
      models: ['one', 'two/three'],
    });
    const chat = new ChatClient({ baseUrl: listening.url, apiKey: listening.apiKey });
    expect((await chat.models()).map(({ id }) => id)).toEqual(['one', 'two/three']);
    expect(await next()).toEqual({
      event: 'request',
      method: 'GET',
      path: '/v1/models',
      plane: 'data',
      operation: 'models',
      credential: `sk-******${listening.apiKey?.slice(-4)}`,
      status: 200,
      at: expect.stringMatching(/^\d{4}-.*Z$/),
      durationMs: expect.any(Number),
    });
  });

  it('takes a limit, a version and an access token', async () => {
    const accessToken = 'my-own-access-token';
    const args = ['--max-keys=2', '--version', '0.15', '--access-token', accessToken];
    const { listening } = await startJson(args);
    expect(listening.accessToken).toBe(accessToken);
    const keys = new ApiKeys({ baseUrl: listening.url, accessToken });
    await keys.create({ name: 'second' });
    expect(await keys.canCreate()).toMatchObject({ allowed: false });
    const headers = { authorization: `Bearer ${accessToken}` };
    const masked = await fetch(`${listening.url}/apis/hydra.io/v1alpha1/masked-apikeys`, { headers });
    expect(masked.status).toBe(404);
  });

  it('starts without a key where none is wanted, or none may be', async () => {
    for (const args of [['--no-key'], ['--max-keys', '0']]) {
      const { listening } = await startJson(args);
      expect(listening).not.toHaveProperty('apiKey');
    }
    const running = start(['--port', '0', '--no-key', '--max-keys', 'unlimited']);
    await running.line();
    running.signal('SIGTERM');
    expect(await running.rest()).not.toMatch(/API_KEY|curl/);
  });

  it('delays every answer by the latency', async () => {
    const { listening, next } = await startJson(['--latency', '120']);
    const chat = new ChatClient({ baseUrl: listening.url, apiKey: listening.apiKey });
    await chat.models();
    const { durationMs, faults } = await next();
    expect(durationMs).toBeGreaterThanOrEqual(119);
    expect(faults).toEqual(['delayMs']);
  });

  it('passes chats on to an upstream server, with a key of its own', async () => {
    const upstream = createEmulator({ reply: 'from upstream', models: ['llama3'] });
    await using server = await serve(upstream);
    const { secret } = upstream.keys.create({ name: 'emulator' });
    const environment = { DRUN_UPSTREAM_API_KEY: secret.reveal() };
    const { listening } = await startJson(['--upstream', `${server.url}/v1`], environment);
    const chat = new ChatClient({ baseUrl: listening.url, apiKey: listening.apiKey });
    const messages = [{ role: 'user', content: 'Hello!' }] as const;
    const answer = await chat.complete({ model: 'llama3', messages });
    expect(answer.choices[0].message.content).toBe('from upstream');
    expect((await chat.models()).map(({ id }) => id)).toEqual(['llama3']);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('ends at once on %s, with open streams', async (name) => {
    const left = Promise.withResolvers<void>();
    const upstream = createEmulator({
      models: ['endless'],
      async *reply({ signal }) {
        signal.addEventListener('abort', () => left.resolve());
        yield 'more ';
        await new Promise(() => {});
      },
    });
    await using server = await serve(upstream);
    const environment = { DRUN_UPSTREAM_API_KEY: upstream.keys.create({ name: 'a' }).secret.reveal() };
    const { listening, signal, exited } = await startJson(['--upstream', server.url], environment);
    const response = await fetch(`${listening.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${listening.apiKey}` },
      body: '{"model":"endless","messages":[{"role":"user","content":"Hello!"}],"stream":true}',
    });
    const reader = response.body?.getReader();
    await reader?.read();
    const reading = (async () => {
      while (!(await reader?.read())?.done);
    })();
    signal(name);
    await expect(reading).rejects.toThrow();
    expect(await exited).toEqual({ code: 0, stderr: '' });
    await left.promise;
    await expect(fetch(listening.url)).rejects.toThrow('fetch failed');
  });

  it('prints help, which names every option', async () => {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [PROGRAM, 'emulator', '--help']);
    for (const option of [
      'port',
      'max-keys',
      'version',
      'model',
      'upstream',
      'access-token',
      'latency',
      'json',
    ]) {
      expect(stdout).toContain(`--${option}`);
    }
    expect(stderr).toBe('');
  });

  it('prints help without a subcommand', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM]);
    expect(stdout).toContain('Usage: drun-sdk emulator [options]');
  });

  it('ends without a word where nobody reads what it prints any more', async () => {
    const child = spawn(process.execPath, [PROGRAM, 'emulator', '--port', '0', '--json']);
    onTestFinished(() => void child.kill('SIGKILL'));
    const exited = once(child, 'exit');
    const errors = child.stderr.setEncoding('utf8').toArray();
    const [line] = await once(createInterface({ input: child.stdout }), 'line');
    const { url } = JSON.parse(line) as Listening;
    child.stdout.destroy();
    // What it prints of the first request may still find its way; what it prints of the next does not.
    for (let count = 0; count < 2; count++) await fetch(`${url}/v1/models`).catch(() => {});
    expect(await exited).toEqual([0, null]);
    expect(await errors).toEqual([]);
  });
});

describe('drun-sdk emulator refuses, with one line and exit code 2,', { timeout: 30_000 }, () => {
  it.each<[string[], string]>([
    [['--port', 'abc'], '--port must be a whole number from 0 to 65535, not "abc"'],
    [['--port', '65536'], '--port must be a whole number from 0 to 65535, not "65536"'],
    [['--port'], '--port needs a value'],
    [['--port', '--json'], '--port needs a value'],
    [['--host', ''], '--host must be a name, not ""'],
    [['--max-keys=-1'], '--max-keys must be a whole number from 0, or unlimited, not "-1"'],
    [['--version', '1.0'], '--version must be one of 0.15, 0.16, 0.17, not "1.0"'],
    [['--model', ''], '--model must be a name, not ""'],
    [['--upstream', 'localhost:11434'], '--upstream must be a URL, of http or https'],
    [
      ['--upstream', 'http://user:password@localhost/v1'],
      '--upstream must be a URL without user, query and fragment; a key goes into DRUN_UPSTREAM_API_KEY',
    ],
    [['--access-token', 'with a space'], '--access-token must be printable ASCII characters without spaces'],
    [['--latency', '1s'], '--latency must be a whole number from 0 to 3600000, not "1s"'],
    [['--json=yes'], '--json takes no value'],
    [['--verbose'], 'there is no option --verbose'],
    [['--constructor'], 'there is no option --constructor'],
    [['-p', '8080'], 'there is no option -p'],
    [['--json', 'sk-a-key-that-went-astray'], 'argument 2 is not an option'],
  ])('%o', (args, reason) => {
    const error = thrownBy(UsageError, () => readArguments(['emulator', ...args]));
    expect(error.message).toBe(reason);
  });

  it('an unknown subcommand, without repeating it', () => {
    const error = thrownBy(UsageError, () => readArguments(['sk-a-key-that-went-astray']));
    expect(error.message).toBe('the first argument must be the subcommand `emulator`');
  });

  it('whatever the reason is', async () => {
    expect(await failureOf(['--port', 'abc'])).toEqual({
      code: 2,
      stderr: 'drun-sdk: --port must be a whole number from 0 to 65535, not "abc"; see --help\n',
    });
  });

  it('a key for upstream that cannot be one, without repeating it', async () => {
    const { code, stderr } = await failureOf(['--upstream', 'http://127.0.0.1:1'], {
      DRUN_UPSTREAM_API_KEY: 'no key',
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^drun-sdk: DRUN_UPSTREAM_API_KEY must be [^\n]*\n$/);
    expect(stderr).not.toContain('no key');
  });
});

it('drun-sdk emulator says with one line that a port is in use', { timeout: 30_000 }, async () => {
  await using server = await serve(createEmulator());
  const { code, stderr } = await failureOf(['--port', String(server.port)]);
  expect(code).toBe(1);
  expect(stderr).toBe(
    `drun-sdk: cannot listen on port ${server.port} of 127.0.0.1: the port is already in use\n`,
  );
});
