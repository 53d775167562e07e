import { parseArgs } from 'node:util';
import type { EmulatedVersion } from '../options.ts';

/** What the command line asks for. */
export interface Arguments {
  readonly port: number;
  readonly host: string;
  readonly maxKeys: number;
  readonly version: EmulatedVersion;
  /** Undefined for the emulator's own, or the upstream server's. */
  readonly models: readonly string[] | undefined;
  readonly upstream: string | undefined;
  readonly accessToken: string | undefined;
  readonly latencyMs: number;
  /** Whether there is a key from the start. */
  readonly makesKey: boolean;
  readonly json: boolean;
}

/** Its message is one line that says which option is wrong, and why. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const OPTIONS = {
  port: { type: 'string' },
  host: { type: 'string' },
  'max-keys': { type: 'string' },
  version: { type: 'string' },
  model: { type: 'string', multiple: true },
  upstream: { type: 'string' },
  'access-token': { type: 'string' },
  latency: { type: 'string' },
  'no-key': { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

type OptionName = keyof typeof OPTIONS;

const DEFAULT_PORT = 3786;
const VERSIONS: readonly EmulatedVersion[] = ['0.15', '0.16', '0.17'];

export const HELP = `Usage: drun-sdk emulator [options]

Runs an emulator of d.run in memory: the control plane and the data plane on one port.

  --port <number>          port to listen on; 0 picks a free one (default: ${DEFAULT_PORT})
  --host <name>            host name or address to listen on (default: 127.0.0.1)
  --max-keys <number>      maximum number of API keys, or unlimited (default: 5)
  --version <version>      emulated version of the service: ${VERSIONS.join(', ')} (default: 0.17)
  --model <name>           name of an available model; repeatable
  --upstream <url>         OpenAI-compatible server to forward requests to, such as
                           http://127.0.0.1:11434/v1; its key is read from DRUN_UPSTREAM_API_KEY
  --access-token <token>   access token of the control plane (default: a random one)
  --latency <ms>           minimum duration of every response in milliseconds (default: 0)
  --no-key                 start without an API key
  --json                   print one JSON object per line
  -h, --help               print this help
`;

/**
 * Reads the command line after the program's name.
 *
 * @returns `undefined` if the help is to be printed: on request, or without a subcommand.
 * @throws {UsageError} For the first invalid argument.
 */
export function readArguments([command, ...args]: readonly string[]): Arguments | undefined {
  if (command === undefined || command === '--help' || command === '-h') return undefined;
  // The value is not repeated: it may be a misplaced credential.
  if (command !== 'emulator') throw new UsageError('the first argument must be the subcommand `emulator`');
  const given = readOptions(args);
  if (given.has('help')) return undefined;
  const text = (name: OptionName): string | undefined => given.get(name)?.at(-1);
  return {
    port: wholeNumber('port', text('port'), 65_535) ?? DEFAULT_PORT,
    host: nonEmpty('host', text('host')) ?? '127.0.0.1',
    maxKeys:
      text('max-keys') === 'unlimited'
        ? Number.POSITIVE_INFINITY
        : (wholeNumber('max-keys', text('max-keys')) ?? 5),
    version: version(text('version')),
    models: given.get('model')?.map((model) => nonEmpty('model', model) ?? ''),
    upstream: upstream(text('upstream')),
    accessToken: accessToken(text('access-token')),
    latencyMs: wholeNumber('latency', text('latency'), 3_600_000) ?? 0,
    makesKey: !given.has('no-key'),
    json: given.has('json'),
  };
}

/** The values of each option that was given, in their order. */
function readOptions(args: readonly string[]): Map<OptionName, string[]> {
  const { tokens } = parseArgs({ args: [...args], options: OPTIONS, strict: false, tokens: true });
  const given = new Map<OptionName, string[]>();
  for (const token of tokens) {
    // Not repeated: it may be a credential that went astray.
    if (token.kind === 'positional') throw new UsageError(`argument ${token.index + 1} is not an option`);
    if (token.kind !== 'option') continue;
    const { name, rawName, value, inlineValue } = token;
    if (!isOption(name)) throw new UsageError(`there is no option ${rawName}`);
    if (OPTIONS[name].type === 'boolean') {
      if (value !== undefined) throw new UsageError(`${rawName} takes no value`);
      given.set(name, []);
    } else {
      const isMissing = value === undefined || (inlineValue === false && value.startsWith('--'));
      if (isMissing) throw new UsageError(`${rawName} needs a value`);
      given.set(name, [...(given.get(name) ?? []), value]);
    }
  }
  return given;
}

function isOption(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name);
}

function wholeNumber(option: OptionName, text: string | undefined, most?: number): number | undefined {
  if (text === undefined) return undefined;
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (number <= (most ?? Number.MAX_SAFE_INTEGER)) return number;
  const range = most === undefined ? 'from 0, or unlimited' : `from 0 to ${most}`;
  throw wrong(option, `a whole number ${range}`, text);
}

function nonEmpty(option: OptionName, text: string | undefined): string | undefined {
  if (text === '') throw wrong(option, 'a name', text);
  return text;
}

function version(text = '0.17'): EmulatedVersion {
  const known = VERSIONS.find((each) => each === text);
  if (known === undefined) throw wrong('version', `one of ${VERSIONS.join(', ')}`, text);
  return known;
}

function upstream(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new UsageError('--upstream must be a URL, of http or https');
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new UsageError(
      '--upstream must be a URL without user, query and fragment; a key goes into DRUN_UPSTREAM_API_KEY',
    );
  }
  return text;
}

/** The message does not repeat it: it is a credential. */
function accessToken(text: string | undefined): string | undefined {
  if (text === undefined || /^[!-~]+$/.test(text)) return text;
  throw new UsageError('--access-token must be printable ASCII characters without spaces');
}

function wrong(option: OptionName, expected: string, text: string): UsageError {
  return new UsageError(`--${option} must be ${expected}, not ${JSON.stringify(text)}`);
}
