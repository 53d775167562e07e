import { repeatLastUserMessage } from './default-reply.ts';
import type { ReplyFunction } from './reply.ts';

/** The version of the service whose control plane is played. */
export type EmulatedVersion = '0.15' | '0.16' | '0.17';

/** What {@link createEmulator} can be told. */
export interface EmulatorOptions {
  /** How many keys may exist at the same time; `Infinity` for any number. Default: 5. */
  readonly maxKeys?: number | undefined;
  /**
   * Before 0.17 there is no masked list, no way to see a key again, and the plain list carries whole keys.
   * Default: `'0.17'`.
   */
  readonly version?: EmulatedVersion | undefined;
  /** The models that there are. Default: `['public/deepseek-r1', 'u-8105f7322477/test']`. */
  readonly models?: readonly string[] | undefined;
  /**
   * What the model says. Called once for each chat request that is accepted. Default: repeats the last user
   * message.
   *
   * Where it throws or rejects, the answer is the gateway's 502 with the error's message; where an iterable
   * fails in mid-stream, the stream just ends, without `[DONE]`, as the gateway's does.
   */
  readonly reply?: ReplyFunction | undefined;
  /** The access token that the control plane accepts: printable ASCII, no spaces. Default: a random one. */
  readonly accessToken?: string | undefined;
  /**
   * The clock, in milliseconds since 1970: for timestamps, expiry and the answers' `Date`. Default: `Date.now`.
   */
  readonly now?: (() => number) | undefined;
  /**
   * The source of every id, key and access token: numbers from 0 to below 1. Give one to make runs repeatable;
   * even one that always gives the same number makes different keys. Default: the platform's secure one.
   */
  readonly random?: (() => number) | undefined;
}

/** The options, checked and complete. */
export interface Settings {
  readonly maxKeys: number;
  readonly version: EmulatedVersion;
  readonly models: readonly string[];
  readonly reply: ReplyFunction;
  readonly accessToken: string | undefined;
  readonly now: () => number;
  readonly random: () => number;
}

const VERSIONS: readonly string[] = ['0.15', '0.16', '0.17'];

export function resolveOptions(options: EmulatorOptions): Settings {
  const { maxKeys = 5, version = '0.17', accessToken } = options;
  const models = options.models ?? ['public/deepseek-r1', 'u-8105f7322477/test'];
  const reply = options.reply ?? repeatLastUserMessage;
  const now = options.now ?? Date.now;
  const random = options.random ?? secureRandom;

  if (typeof maxKeys !== 'number') throw new TypeError(wrong('maxKeys', 'a number'));
  if (maxKeys !== Number.POSITIVE_INFINITY && !(Number.isSafeInteger(maxKeys) && maxKeys >= 0)) {
    throw new RangeError(wrong('maxKeys', 'a whole number from 0, or Infinity'));
  }
  if (!VERSIONS.includes(version)) throw new RangeError(wrong('version', `one of ${VERSIONS.join(', ')}`));
  if (!Array.isArray(models) || !models.every((model) => typeof model === 'string' && model !== '')) {
    throw new TypeError(wrong('models', 'an array of model names'));
  }
  if (accessToken !== undefined && !isCredential(accessToken)) {
    throw new TypeError(wrong('accessToken', 'a string of printable ASCII characters without spaces'));
  }
  for (const [option, value] of Object.entries({ reply, now, random })) {
    if (typeof value !== 'function') throw new TypeError(wrong(option, 'a function'));
  }
  return {
    maxKeys,
    version,
    models: [...models],
    reply,
    accessToken,
    now: () => inRange('now', now(), (time) => Math.abs(time) <= LATEST_TIME, 'milliseconds since 1970'),
    random: () =>
      inRange('random', random(), (value) => value >= 0 && value < 1, 'a number from 0 to below 1'),
  };
}

/** The last millisecond that a `Date` can hold. */
const LATEST_TIME = 8.64e15;

function inRange(
  option: string,
  value: number,
  accepts: (value: number) => boolean,
  expected: string,
): number {
  if (typeof value === 'number' && accepts(value)) return value;
  throw new RangeError(`createEmulator: \`${option}\` must return ${expected}`);
}

function wrong(option: string, expected: string): string {
  return `createEmulator: \`${option}\` must be ${expected}`;
}

function isCredential(value: unknown): boolean {
  return typeof value === 'string' && /^[!-~]+$/.test(value);
}

function secureRandom(): number {
  const [value = 0] = crypto.getRandomValues(new Uint32Array(1));
  return value / 2 ** 32;
}
