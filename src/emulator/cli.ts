#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { isRecord, parseJson } from '../internal/json.ts';
import { createEmulator } from './emulator.ts';
import type { EmulatedRequest } from './log.ts';
import { serve } from './node.ts';
import { DEFAULT_MODELS, type EmulatorOptions } from './options.ts';

const HELP = `Usage: drun-sdk emulator [options]

Runs an in-memory emulator of d.run that serves the control plane and the data plane on one port.

  --port <number>          port to listen on; 0 selects a free port (default: 3786)
  --host <name>            host name or address to listen on (default: 127.0.0.1)
  --allowed-host <name>    another host name that clients use, such as host.docker.internal; repeatable
  --script <file>          JSON file with options, rules, keys and faults
  --strict                 reject requests that match no rule in the script
  --max-keys <number>      maximum number of API keys, or unlimited (default: 5)
  --version <version>      version of d.run to emulate: 0.15, 0.16 or 0.17 (default: 0.17)
  --model <name>           name of an available model; repeatable
  --upstream <url>         OpenAI-compatible server to forward requests to, such as http://127.0.0.1:11434/v1;
                           set its API key in DRUN_UPSTREAM_API_KEY
  --behind <layer>         layer in front of the models: gateway or none (default: gateway)
  --access-token <token>   access token for the control plane (default: a random token)
  --no-admin               do not serve /_emulator/
  --json                   print one JSON object per line
  -h, --help               print this help
`;

const string = { type: 'string' } as const;
const strings = { type: 'string', multiple: true } as const;
const boolean = { type: 'boolean' } as const;
const OPTIONS = {
  ...{ port: string, host: string, 'allowed-host': strings, script: string, strict: boolean },
  ...{ 'max-keys': string, version: string, model: strings, upstream: string, behind: string },
  ...{ 'access-token': string, 'no-admin': boolean, json: boolean },
  help: { type: 'boolean', short: 'h' },
} as const;

type Arguments = ReturnType<typeof parseArguments>;

/** @throws {TypeError} If the command line is invalid. The message omits values, which may be credentials. */
function parseArguments([command, ...args]: readonly string[]) {
  if (command === undefined || command === '--help' || command === '-h') return { help: true };
  if (command !== 'emulator') throw new TypeError('The first argument must be the subcommand `emulator`.');
  try {
    return parseArgs({ args, options: OPTIONS }).values;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isValue = code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL';
    throw new TypeError(isValue ? 'Only options may follow `emulator`.' : message.split('\n')[0]);
  }
}

/** Returns the options from the script, overridden by those on the command line. */
function emulatorOptions(args: Arguments): EmulatorOptions {
  const { 'max-keys': maxKeys, upstream, script } = args;
  const given = {
    strict: args.strict,
    maxKeys: maxKeys === undefined || maxKeys === 'unlimited' ? maxKeys : Number(maxKeys || Number.NaN),
    version: args.version,
    models: args.model,
    behind: args.behind,
    accessToken: args['access-token'],
    upstream: upstream && { url: upstream, apiKey: process.env.DRUN_UPSTREAM_API_KEY || undefined },
  };
  const overrides = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...(script !== undefined && readScript(script)), ...Object.fromEntries(overrides) };
}

function readScript(path: string): EmulatorOptions {
  try {
    // An error from `JSON.parse` would quote the script, which may contain credentials.
    const script = parseJson(readFileSync(path, 'utf8'));
    if (isRecord(script)) return script;
    throw new TypeError('it must contain a JSON object');
  } catch (error) {
    throw new TypeError(`Cannot read the script ${path}: ${(error as Error).message}.`);
  }
}

/** Starts the server. @returns A function that stops the server immediately and aborts open streams. */
async function run(args: Arguments, print: (line: string) => void): Promise<() => Promise<void>> {
  const options = emulatorOptions(args);
  const onRequest = (request: EmulatedRequest): void =>
    print(args.json ? JSON.stringify({ event: 'request', ...request }) : describeRequest(request));
  const drun = createEmulator({ ...options, onRequest });
  const { port = '3786', host = '127.0.0.1', 'allowed-host': allowedHosts, 'no-admin': hasNoAdmin } = args;
  const server = await serve(drun, {
    port: Number(port || Number.NaN),
    host,
    allowedHosts,
    admin: !hasNoAdmin,
  });

  const { url } = server;
  const accessToken = drun.accessToken.reveal();
  const models = options.models ?? (options.upstream ? undefined : DEFAULT_MODELS);
  const { keys = [], maxKeys = 5 } = options;
  const scripted = keys.find(({ key }) => key !== undefined)?.key;
  const apiKey =
    scripted ??
    (keys.length >= Number(maxKeys) ? undefined : drun.keys.create({ name: 'first' }).secret.reveal());
  const summary = {
    url,
    openaiBaseUrl: `${url}/v1`,
    dashboard: hasNoAdmin ? undefined : `${url}/_emulator/#token=${encodeURIComponent(accessToken)}`,
    version: options.version ?? '0.17',
    models: models?.map((model) => (typeof model === 'string' ? model : model.id)),
    accessToken,
    apiKey: apiKey === undefined ? undefined : String(apiKey),
  };
  print(args.json ? JSON.stringify({ event: 'listening', ...summary }) : describeServer(summary));
  return async () => {
    await server.close();
    await drun[Symbol.asyncDispose]();
  };
}

type Summary = Readonly<Record<'url' | 'openaiBaseUrl' | 'version' | 'accessToken', string>> &
  Readonly<Record<'dashboard' | 'apiKey', string | undefined>> & { readonly models: string[] | undefined };

/** Describes the server, with commands that can be pasted into a shell. */
function describeServer(server: Summary): string {
  const { url, openaiBaseUrl, dashboard, version, models, accessToken, apiKey } = server;
  const lines = [`d.run ${version}, emulated at ${url}`];
  if (dashboard !== undefined) lines.push(`Dashboard: ${dashboard}`);
  const variables = {
    DRUN_CONSOLE_URL: url,
    DRUN_ACCESS_TOKEN: accessToken,
    DRUN_CHAT_URL: url,
    OPENAI_BASE_URL: openaiBaseUrl,
    ...(apiKey !== undefined && { DRUN_API_KEY: apiKey, OPENAI_API_KEY: apiKey }),
  };
  lines.push('', ...Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}`), '');
  if (apiKey === undefined || models === undefined) return lines.join('\n');
  const request = { model: models[0], messages: [{ role: 'user', content: 'Hello!' }] };
  const curl = `curl "$OPENAI_BASE_URL/chat/completions" -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -H 'Content-Type: application/json' -d ${quoted(JSON.stringify(request))}\n`;
  return [...lines, curl].join('\n');
}

function describeRequest(request: EmulatedRequest): string {
  const { at, method, path, status = 'no response', durationMs = 0, faults, reason } = request;
  const time = at.toTimeString().slice(0, 8);
  const credential = request.credential ?? 'no credential';
  const details = [faults?.join('+'), reason && `(${reason})`].filter((detail) => detail !== undefined);
  return [time, method, path, status, `${Math.round(durationMs)} ms`, credential, ...details].join(' ');
}

/** Quotes a string for use in a shell. */
function quoted(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}

const { stdout, stderr, argv } = process;

// The reader may close the pipe, as in `drun-sdk emulator | head -1`.
stdout.on('error', () => process.exit());

try {
  const args = parseArguments(argv.slice(2));
  const end = args.help ? undefined : await run(args, (line) => stdout.write(`${line}\n`));
  if (end === undefined) stdout.write(HELP);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    if (end !== undefined) process.once(signal, () => void end().finally(() => process.exit()));
  }
} catch (error) {
  const isUsage = error instanceof TypeError || error instanceof RangeError;
  const reason = (error as Error).message.replace(/^(?:createEmulator|serve): /, '');
  stderr.write(`drun-sdk: ${reason.replace(/[^.?]$/, '$&.')}${isUsage ? ' See --help.' : ''}\n`);
  process.exitCode = isUsage ? 2 : 1;
}
