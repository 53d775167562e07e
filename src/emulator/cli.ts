#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createEmulator, type Emulator } from './emulator.ts';
import type { EmulatedRequest } from './log.ts';
import { type EmulatorServer, serve } from './node.ts';
import { DEFAULT_MODELS, type EmulatorOptions } from './options.ts';

const HELP = `Usage: drun-sdk emulator [options]

Runs an emulator of d.run in memory: the control plane and the data plane on one port.

  --port <number>          port to listen on; 0 picks a free one (default: 3786)
  --host <name>            host name or address to listen on (default: 127.0.0.1)
  --allowed-host <name>    further host name that clients use, such as host.docker.internal; repeatable
  --script <file>          JSON file with options, rules, keys and faults
  --strict                 reject requests that no rule of the script matches
  --max-keys <number>      maximum number of API keys, or unlimited (default: 5)
  --version <version>      emulated version of the service: 0.15, 0.16, 0.17 (default: 0.17)
  --model <name>           name of an available model; repeatable
  --upstream <url>         OpenAI-compatible server that replies, such as http://127.0.0.1:11434/v1;
                           its key is read from DRUN_UPSTREAM_API_KEY
  --behind <what>          gateway, or none for a bare model server (default: gateway)
  --access-token <token>   access token of the control plane (default: a random one)
  --latency <ms>           minimum duration of every response in milliseconds (default: 0)
  --no-key                 start without an API key
  --no-admin               do not serve /_emulator/
  --json                   print one JSON object per line
  -h, --help               print this help
`;

const OPTIONS = {
  port: { type: 'string' },
  host: { type: 'string' },
  'allowed-host': { type: 'string', multiple: true },
  script: { type: 'string' },
  strict: { type: 'boolean' },
  'max-keys': { type: 'string' },
  version: { type: 'string' },
  model: { type: 'string', multiple: true },
  upstream: { type: 'string' },
  behind: { type: 'string' },
  'access-token': { type: 'string' },
  latency: { type: 'string' },
  'no-key': { type: 'boolean' },
  'no-admin': { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** A mistake in the command line or its files. Printed as one line, with exit code 2. */
class UsageError extends Error {}

type Arguments = ReturnType<typeof parseArguments>;

function parseArguments([command, ...args]: readonly string[]) {
  if (command === undefined || command === '--help' || command === '-h') return { help: true };
  // Values are not repeated: a misplaced one may be a credential.
  if (command !== 'emulator') throw new UsageError('The first argument must be the subcommand `emulator`.');
  try {
    return parseArgs({ args, options: OPTIONS }).values;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL')
      throw new UsageError('An argument is not an option.');
    throw new UsageError(message.split('\n')[0]);
  }
}

function integer(option: 'port' | 'max-keys' | 'latency', text: string | undefined, max: number) {
  if (text === undefined || (option === 'max-keys' && text === 'unlimited')) return text && 'unlimited';
  if (/^\d{1,15}$/.test(text) && Number(text) <= max) return Number(text);
  throw new UsageError(`--${option} must be an integer from 0 to ${max}, not ${JSON.stringify(text)}.`);
}

function emulatorOptions(args: Arguments): EmulatorOptions {
  const { DRUN_UPSTREAM_API_KEY: upstreamKey } = process.env;
  const script = args.script === undefined ? {} : readScript(args.script);
  const given = {
    strict: args.strict,
    maxKeys: integer('max-keys', args['max-keys'], Number.MAX_SAFE_INTEGER),
    version: args.version,
    models: args.model,
    behind: args.behind,
    accessToken: args['access-token'],
    upstream: args.upstream && { url: args.upstream, apiKey: upstreamKey || undefined },
  };
  const overrides = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...script, ...Object.fromEntries(overrides) };
}

function readScript(path: string): EmulatorOptions {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageError(`--script ${path}: ${code === 'ENOENT' ? 'the file does not exist' : message}.`);
  }
}

async function run(args: Arguments, print: (line: string) => void): Promise<() => Promise<void>> {
  const requestLine = args.json
    ? (request: EmulatedRequest) => JSON.stringify({ event: 'request', ...request })
    : describeRequest;
  const onRequest = (request: EmulatedRequest): void => print(requestLine(request));
  const options = emulatorOptions(args);
  const port = Number(integer('port', args.port, 65_535) ?? 3786);
  const latencyMs = Number(integer('latency', args.latency, 3_600_000) ?? 0);
  let drun: Emulator;
  try {
    drun = createEmulator({ ...options, onRequest });
  } catch (error) {
    throw new UsageError((error as Error).message.replace(/^createEmulator: /, ''));
  }
  if (latencyMs > 0) drun.faults.always({ delayMs: latencyMs });
  const [firstKey] = options.keys ?? [];
  const mayCreate = args['no-key'] !== true && firstKey === undefined && options.maxKeys !== 0;
  const apiKey = mayCreate ? drun.keys.create({ name: 'first' }).secret.reveal() : firstKey?.key;
  const server = await serve(drun, {
    port,
    host: args.host ?? '127.0.0.1',
    allowedHosts: args['allowed-host'],
    admin: args['no-admin'] !== true,
  });
  print(describeServer(args, drun, server, options, apiKey === undefined ? undefined : String(apiKey)));
  return async () => {
    await server.close();
    await drun[Symbol.asyncDispose]();
  };
}

/** What to paste into a shell, or the same as JSON. */
function describeServer(
  { json, 'no-admin': hasNoAdmin }: Arguments,
  drun: Emulator,
  { url }: EmulatorServer,
  { version = '0.17', models = DEFAULT_MODELS, upstream }: EmulatorOptions,
  apiKey: string | undefined,
): string {
  const accessToken = drun.accessToken.reveal();
  const dashboard =
    hasNoAdmin === true ? undefined : `${url}/_emulator/#token=${encodeURIComponent(accessToken)}`;
  const names = models.map((model) => (typeof model === 'string' ? model : model.id));
  if (json) {
    const openaiBaseUrl = `${url}/v1`;
    const served = upstream === undefined ? names : undefined;
    return JSON.stringify({
      event: 'listening',
      url,
      openaiBaseUrl,
      dashboard,
      version,
      models: served,
      accessToken,
      apiKey,
    });
  }
  const exports = {
    DRUN_CONSOLE_URL: url,
    DRUN_ACCESS_TOKEN: accessToken,
    DRUN_CHAT_URL: url,
    ...(apiKey !== undefined && { DRUN_API_KEY: apiKey }),
    OPENAI_BASE_URL: `${url}/v1`,
    ...(apiKey !== undefined && { OPENAI_API_KEY: apiKey }),
  };
  const request = JSON.stringify({ model: names[0], messages: [{ role: 'user', content: 'Hello!' }] });
  const curl = [
    'curl "$OPENAI_BASE_URL/chat/completions" -H "Authorization: Bearer $OPENAI_API_KEY" \\',
    `  -H 'Content-Type: application/json' -d ${quoted(request)}`,
    '',
  ];
  return [
    `d.run ${version}, emulated at ${url}`,
    ...(dashboard === undefined ? [] : [`Dashboard: ${dashboard}`]),
    '',
    ...Object.entries(exports).map(([name, value]) => `export ${name}=${quoted(value)}`),
    '',
    ...(apiKey !== undefined && upstream === undefined ? curl : []),
  ].join('\n');
}

function describeRequest({
  at,
  method,
  path,
  status,
  durationMs = 0,
  credential,
  faults,
  reason,
}: EmulatedRequest): string {
  const parts = [
    at.toTimeString().slice(0, 8),
    method,
    path,
    status ?? 'no response',
    `${Math.round(durationMs)} ms`,
  ];
  const details = [credential ?? 'no credential', faults?.join('+'), reason && `(${reason})`];
  return [...parts, ...details].filter((part) => part !== undefined).join(' ');
}

/** A string as a shell reads it literally. */
function quoted(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}

const { stdout, stderr, argv } = process;

/** What the reader has not read yet; lines beyond it are dropped rather than kept forever. */
const MAX_BACKLOG = 1024 * 1024;

// The reader may stop reading: `drun-sdk emulator | head -1`.
stdout.on('error', () => process.exit());

try {
  const args = parseArguments(argv.slice(2));
  if (args.help) {
    stdout.write(HELP);
  } else {
    const end = await run(args, (line) => {
      if (stdout.writableLength < MAX_BACKLOG) stdout.write(`${line}\n`);
    });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => void end().finally(() => process.exit()));
    }
  }
} catch (error) {
  const isUsage = error instanceof UsageError;
  const reason = (error as Error).message.replace(/^serve: /, '');
  stderr.write(`drun-sdk: ${reason}${isUsage ? ' See --help.' : ''}\n`);
  process.exitCode = isUsage ? 2 : 1;
}
