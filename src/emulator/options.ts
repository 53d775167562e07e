import { isSecret, Secret } from '../secret/secret.ts';
import { isCredential, type NewEmulatedKey } from './account/keys.ts';
import { isIterable, isReply, type Reply, type ReplyFunction } from './data-plane/reply.ts';
import type { EmulatorRule } from './data-plane/rules.ts';
import type { UpstreamSettings } from './data-plane/upstream.ts';
import type { ScheduledFault } from './faults/fault.ts';
import { isObject } from './http.ts';
import type { EmulatedRequest } from './log.ts';
import { secureRandom } from './random.ts';

/** Version of the service whose control plane is emulated. */
export type EmulatedVersion = '0.15' | '0.16' | '0.17';

/** Resolves after a time in milliseconds; rejects with the signal's reason as soon as the signal is aborted. */
export type Sleep = (milliseconds: number, signal: AbortSignal) => Promise<void>;

/** A model that the data plane serves. */
export interface EmulatedModel {
  readonly id: string;
  /** Context length in tokens. Longer requests get vLLM's error. Default: unlimited. */
  readonly contextLength?: number | undefined;
  /**
   * Field of messages and deltas that holds the reasoning. Default: `reasoning_content`, and `reasoning` with
   * `behind: 'none'`.
   */
  readonly reasoningField?: 'reasoning' | 'reasoning_content' | undefined;
  /** The provider in the list of models. Default: `VLLM`. */
  readonly ownedBy?: string | undefined;
}

/** A real OpenAI-compatible server behind the emulator. */
export interface UpstreamOptions {
  /** Its base URL, such as `http://127.0.0.1:11434/v1`. Without a path, `/v1` is added. */
  readonly url: string | URL;
  /** Sent instead of the caller's key. Default: no credential. */
  readonly apiKey?: string | Secret | undefined;
  /** Default: the global `fetch`. */
  readonly fetch?: ((input: string, init: RequestInit) => Promise<Response>) | undefined;
}

/** Options of {@link createEmulator}. All but the functions, `upstream` and secrets can come from a JSON file. */
export interface EmulatorOptions {
  /**
   * Maximum number of keys, in the account and in each workspace. `Infinity` for no limit.
   *
   * @defaultValue 5
   */
  readonly maxKeys?: number | 'unlimited' | undefined;
  /**
   * Before 0.17, there is no masked list, a full key cannot be shown again, and the plain list has full keys.
   *
   * @defaultValue '0.17'
   */
  readonly version?: EmulatedVersion | undefined;
  /**
   * The available models. With an `upstream`, the default is its list.
   *
   * @defaultValue ['public/deepseek-r1', 'u-8105f7322477/test']
   */
  readonly models?: readonly (string | EmulatedModel)[] | undefined;
  /**
   * The reply to requests that no rule matches. By default, the last user message is repeated; a required tool
   * (`tool_choice`) is called; required JSON (`response_format`) is the simplest valid value; requested reasoning
   * comes first.
   *
   * A function that throws is a model server that fails: with status 500 before the reply, and in a stream with the
   * ending that the gateway gives it.
   */
  readonly reply?: Reply | ReplyFunction | undefined;
  /** Replies to certain requests. The first rule that matches gives the reply. */
  readonly rules?: readonly EmulatorRule[] | undefined;
  /** Rejects requests that no rule matches, with an error that describes them, unless there is a `reply`. */
  readonly strict?: boolean | undefined;
  /** A real model server for requests that no rule matches, or its base URL. */
  readonly upstream?: string | URL | UpstreamOptions | undefined;
  /**
   * What stands in front of the models: d.run's `gateway`, or `none`, for a bare vLLM that accepts the emulator's keys.
   *
   * @defaultValue 'gateway'
   */
  readonly behind?: 'gateway' | 'none' | undefined;
  /** Keys that exist from the start, and again after a reset. */
  readonly keys?: readonly NewEmulatedKey[] | undefined;
  /** Faults that are set from the start, and again after a reset. */
  readonly faults?: readonly ScheduledFault[] | undefined;
  /** Access token of the control plane: printable ASCII without spaces. Default: a random one. */
  readonly accessToken?: string | Secret | undefined;
  /** The clock, in milliseconds since 1970, for all timestamps, expiry, faults and `Date` headers. */
  readonly now?: (() => number) | undefined;
  /** Used by faults that delay a response. Provide one that moves `now`, and no test has to wait. Default: a timer. */
  readonly sleep?: Sleep | undefined;
  /**
   * Source of every id, key and token: numbers from 0 to below 1. Provide one to repeat a run, such as
   * `seededRandom(7)`. Default: the platform's secure source.
   */
  readonly random?: (() => number) | undefined;
  /** Called for each request when its response has ended or the client has left. What it throws is ignored. */
  readonly onRequest?: ((request: EmulatedRequest) => void) | undefined;
}

/** Validated options with their defaults. */
export interface Settings {
  readonly maxKeys: number;
  readonly version: EmulatedVersion;
  /** Empty if the upstream server knows them. */
  readonly models: readonly EmulatedModel[];
  /** Default: none. */
  readonly reply: Reply | ReplyFunction | undefined;
  readonly rules: readonly EmulatorRule[];
  readonly strict: boolean;
  readonly behind: 'gateway' | 'none';
  readonly keys: readonly NewEmulatedKey[];
  readonly faults: readonly ScheduledFault[];
  readonly upstream: UpstreamSettings | undefined;
  readonly accessToken: string | undefined;
  readonly now: () => number;
  readonly sleep: Sleep;
  readonly random: () => number;
  readonly onRequest: ((request: EmulatedRequest) => void) | undefined;
}

export const DEFAULT_MODELS: readonly string[] = ['public/deepseek-r1', 'u-8105f7322477/test'];

const VERSIONS: readonly EmulatedVersion[] = ['0.15', '0.16', '0.17'];

const OPTIONS: Readonly<Record<keyof EmulatorOptions, true>> = {
  maxKeys: true,
  version: true,
  models: true,
  reply: true,
  rules: true,
  strict: true,
  upstream: true,
  behind: true,
  keys: true,
  faults: true,
  accessToken: true,
  now: true,
  sleep: true,
  random: true,
  onRequest: true,
};

/**
 * Validates options. Rules, keys and faults are validated when they are added.
 *
 * @throws {TypeError | RangeError} That names the invalid option.
 */
export function resolveOptions(options: EmulatorOptions): Settings {
  const given: unknown = options;
  if (!isObject(given)) throw new TypeError('createEmulator: the options must be an object.');
  for (const option of Object.keys(given)) {
    if (!Object.hasOwn(OPTIONS, option))
      throw new TypeError(`createEmulator: \`${option}\` is not an option.`);
  }
  const { version = '0.17', behind = 'gateway', strict = false, onRequest } = options;
  const maxKeys = options.maxKeys === 'unlimited' ? Number.POSITIVE_INFINITY : (options.maxKeys ?? 5);
  const accessToken = isSecret(options.accessToken) ? options.accessToken.reveal() : options.accessToken;
  const now = options.now ?? (() => Date.now());
  const sleep = options.sleep ?? sleepByTimer;
  const random = options.random ?? secureRandom;

  if (typeof maxKeys !== 'number') throw new TypeError(invalid('maxKeys', 'a number'));
  if (maxKeys !== Number.POSITIVE_INFINITY && !(Number.isSafeInteger(maxKeys) && maxKeys >= 0)) {
    throw new RangeError(invalid('maxKeys', 'a non-negative integer or Infinity'));
  }
  if (!VERSIONS.includes(version)) throw new RangeError(invalid('version', `one of ${VERSIONS.join(', ')}`));
  if (behind !== 'gateway' && behind !== 'none')
    throw new RangeError(invalid('behind', "'gateway' or 'none'"));
  if (typeof strict !== 'boolean') throw new TypeError(invalid('strict', 'a boolean'));
  if (accessToken !== undefined && !isCredential(accessToken)) {
    throw new TypeError(invalid('accessToken', 'printable ASCII characters without spaces'));
  }
  for (const [option, value] of Object.entries({ now, sleep, random, onRequest: onRequest ?? now })) {
    if (typeof value !== 'function') throw new TypeError(invalid(option, 'a function'));
  }
  if (options.reply !== undefined && options.upstream !== undefined) {
    throw new TypeError('createEmulator: `reply` and `upstream` exclude each other.');
  }
  return {
    maxKeys,
    version,
    models: resolveModels(options.models ?? (options.upstream === undefined ? DEFAULT_MODELS : [])),
    reply: options.reply === undefined ? undefined : resolveReply(options.reply),
    rules: listOf('rules', options.rules),
    strict,
    behind,
    keys: listOf('keys', options.keys),
    faults: listOf('faults', options.faults),
    upstream: options.upstream === undefined ? undefined : resolveUpstream(options.upstream),
    accessToken,
    now: () => checked('now', now(), (time) => Math.abs(time) <= MAX_TIME, 'milliseconds since 1970'),
    sleep,
    random: () =>
      checked('random', random(), (value) => value >= 0 && value < 1, 'a number from 0 to below 1'),
    onRequest,
  };
}

function resolveModels(models: unknown): EmulatedModel[] {
  if (!Array.isArray(models)) throw new TypeError(invalid('models', 'an array of names or models'));
  return models.map((given: unknown) => {
    const model = typeof given === 'string' ? { id: given } : given;
    const isValid =
      isObject(model) &&
      typeof model.id === 'string' &&
      model.id !== '' &&
      (model.contextLength === undefined ||
        (Number.isInteger(model.contextLength) && Number(model.contextLength) > 0)) &&
      [undefined, 'reasoning', 'reasoning_content'].includes(model.reasoningField as string | undefined) &&
      (model.ownedBy === undefined || typeof model.ownedBy === 'string');
    if (!isValid) {
      throw new TypeError(
        invalid('models', 'an array of names or models (`id`, `contextLength`, `reasoningField`, `ownedBy`)'),
      );
    }
    return { ...model } as unknown as EmulatedModel;
  });
}

function listOf<T>(option: string, given: readonly T[] | undefined): readonly T[] {
  if (given === undefined) return [];
  if (!Array.isArray(given)) throw new TypeError(invalid(option, 'an array'));
  return [...given];
}

function resolveReply(reply: Reply | ReplyFunction): Reply | ReplyFunction {
  if (typeof reply === 'function') return reply;
  if (!isReply(reply)) {
    throw new TypeError(invalid('reply', 'a string, an async iterable, a reply, a completion or a function'));
  }
  // A generator and a stream are used up after one reply.
  if (!isIterable(reply) || !('getReader' in reply || 'next' in reply)) return reply;
  let isUsed = false;
  return () => {
    if (isUsed) throw new Error('`reply` can be read only once: provide the function that creates it.');
    isUsed = true;
    return reply;
  };
}

function resolveUpstream(upstream: string | URL | UpstreamOptions): UpstreamSettings {
  const isUrl = typeof upstream === 'string' || upstream instanceof URL;
  const options: UpstreamOptions = isUrl ? { url: upstream } : upstream;
  const url = URL.canParse(String(options?.url)) ? new URL(options.url) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new TypeError(invalid('upstream', 'the URL of a server, or an object with a `url`'));
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new TypeError(
      invalid('upstream', 'a URL without user, query and fragment; its key belongs in `apiKey`'),
    );
  }
  const apiKey = isSecret(options.apiKey) ? options.apiKey.reveal() : options.apiKey;
  if (apiKey !== undefined && !isCredential(apiKey)) {
    throw new TypeError(invalid('upstream.apiKey', 'printable ASCII characters without spaces'));
  }
  if (options.fetch !== undefined && typeof options.fetch !== 'function') {
    throw new TypeError(invalid('upstream.fetch', 'a function'));
  }
  const path = url.pathname.replace(/\/+$/, '');
  return {
    url: `${url.origin}${path === '' ? '/v1' : path}`,
    apiKey: apiKey === undefined ? undefined : new Secret(apiKey),
    fetch: options.fetch,
  };
}

/** The last millisecond that a `Date` can hold. */
const MAX_TIME = 8.64e15;

/** The longest delay of a timer; beyond it, timers fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Timers are read at each call, so that fake ones work. */
const sleepByTimer: Sleep = (milliseconds, signal) =>
  new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(
      () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      },
      Math.min(milliseconds, MAX_TIMER_MS),
    );
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort);
  });

function checked(
  option: string,
  value: number,
  accepts: (value: number) => boolean,
  expected: string,
): number {
  if (typeof value === 'number' && accepts(value)) return value;
  throw new RangeError(`createEmulator: \`${option}\` must return ${expected}.`);
}

function invalid(option: string, expected: string): string {
  return `createEmulator: \`${option}\` must be ${expected}.`;
}
