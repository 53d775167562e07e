import { isSecret, Secret } from '../secret/secret.ts';
import { repeatLastUserMessage } from './data/default-reply.ts';
import { isIterable, isReply, type Reply, type ReplyFunction } from './data/reply.ts';
import type { UpstreamSettings } from './data/upstream.ts';
import { secureRandom } from './random.ts';
import type { EmulatedRequest } from './request-log.ts';
import { type Sleep, sleepByTimer } from './sleep.ts';

/** The version of the service whose control plane is played. */
export type EmulatedVersion = '0.15' | '0.16' | '0.17';

/** A real OpenAI-compatible server that stands behind the emulator. */
export interface UpstreamOptions {
  /** Its base URL, as OpenAI's clients are given it: `http://127.0.0.1:11434/v1`. Without a path, `/v1` is meant. */
  readonly url: string | URL;
  /** Sent to it in place of the caller's key. Default: no credential is sent. */
  readonly apiKey?: string | Secret | undefined;
  /** Used in place of the global `fetch`. */
  readonly fetch?: ((input: string, init: RequestInit) => Promise<Response>) | undefined;
}

/** What {@link createEmulator} can be told. */
export interface EmulatorOptions {
  /**
   * How many keys may exist at the same time, in the account and in each workspace; `Infinity` for any number.
   * Default: 5.
   */
  readonly maxKeys?: number | undefined;
  /**
   * Before 0.17 there is no masked list, no way to see a key again, and the plain list carries whole keys.
   * Default: `'0.17'`.
   */
  readonly version?: EmulatedVersion | undefined;
  /**
   * The models that there are. Default: `['public/deepseek-r1', 'u-8105f7322477/test']`; with an `upstream`, those
   * that it has.
   */
  readonly models?: readonly string[] | undefined;
  /**
   * What the model says: always the same, or what a function gives, which is called once for each chat request that
   * is accepted. Default: repeats the last user message; where the request insists on a tool (`tool_choice`), calls
   * that; where it asks for reasoning (`reasoning_effort`, `chat_template_kwargs`), reasons.
   *
   * Where it throws or rejects, the answer is the gateway's 502 with the error's message; where an iterable
   * fails in mid-stream, the stream just ends, without `[DONE]`, as the gateway's does.
   */
  readonly reply?: Reply | ReplyFunction | undefined;
  /** In place of `reply`: a real server that chat requests are passed on to, or its base URL. */
  readonly upstream?: string | URL | UpstreamOptions | undefined;
  /** The access token that the control plane accepts: printable ASCII, no spaces. Default: a random one. */
  readonly accessToken?: string | Secret | undefined;
  /**
   * The clock, in milliseconds since 1970: for timestamps, expiry, faults and the answers' `Date`. Default: the
   * platform's.
   */
  readonly now?: (() => number) | undefined;
  /**
   * Resolves after a time in milliseconds, or rejects with the signal's reason once that is aborted: what faults
   * that delay an answer wait with. Give one that keeps step with `now`, and no test has to wait. Default: a timer.
   */
  readonly sleep?: Sleep | undefined;
  /**
   * The source of every id, key and access token: numbers from 0 to below 1. Give one to make runs repeatable, such
   * as `seededRandom(7)`; even one that always gives the same number makes different keys. Default: the platform's
   * secure one.
   */
  readonly random?: (() => number) | undefined;
  /** Is told of every request once its answer is over, or nobody waits for it any more. What it throws is dropped. */
  readonly onRequest?: ((request: EmulatedRequest) => void) | undefined;
}

/** The options, checked and complete. */
export interface Settings {
  readonly maxKeys: number;
  readonly version: EmulatedVersion;
  readonly models: readonly string[];
  /** Whether the upstream server knows which models there are. */
  readonly servesAnyModel: boolean;
  readonly reply: ReplyFunction;
  readonly upstream: UpstreamSettings | undefined;
  readonly accessToken: string | undefined;
  readonly now: () => number;
  readonly sleep: Sleep;
  readonly random: () => number;
  readonly onRequest: ((request: EmulatedRequest) => void) | undefined;
}

const VERSIONS: readonly string[] = ['0.15', '0.16', '0.17'];
/** The models that there are where nobody says. */
export const DEFAULT_MODELS: readonly string[] = ['public/deepseek-r1', 'u-8105f7322477/test'];

export function resolveOptions(options: EmulatorOptions): Settings {
  const { maxKeys = 5, version = '0.17', onRequest } = options;
  const accessToken = isSecret(options.accessToken) ? options.accessToken.reveal() : options.accessToken;
  const servesAnyModel = options.upstream !== undefined && options.models === undefined;
  const models = options.models ?? (servesAnyModel ? [] : DEFAULT_MODELS);
  const now = options.now ?? (() => Date.now());
  const sleep = options.sleep ?? sleepByTimer;
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
  for (const [option, value] of Object.entries({ now, sleep, random, onRequest: onRequest ?? now })) {
    if (typeof value !== 'function') throw new TypeError(wrong(option, 'a function'));
  }
  if (options.reply !== undefined && options.upstream !== undefined) {
    throw new TypeError('createEmulator: `reply` and `upstream` both say what the model answers: give one');
  }
  return {
    maxKeys,
    version,
    models: [...models],
    servesAnyModel,
    reply: replyFunction(options.reply ?? repeatLastUserMessage),
    upstream: options.upstream === undefined ? undefined : upstreamSettings(options.upstream),
    accessToken,
    now: () => inRange('now', now(), (time) => Math.abs(time) <= LATEST_TIME, 'milliseconds since 1970'),
    sleep,
    random: () =>
      inRange('random', random(), (value) => value >= 0 && value < 1, 'a number from 0 to below 1'),
    onRequest,
  };
}

function replyFunction(reply: Reply | ReplyFunction): ReplyFunction {
  if (typeof reply === 'function') return reply;
  if (!isReply(reply)) {
    throw new TypeError(
      wrong('reply', 'a text, an async iterable of texts, an answer, a completion or a function'),
    );
  }
  if (!isIterable(reply) || !canBeReadOnce(reply)) return () => reply;
  let isRead = false;
  return () => {
    // Read once more, it would be an answer that says nothing.
    if (isRead) throw new Error('`reply` can be read only once: give the function that makes it');
    isRead = true;
    return reply;
  };
}

/** Whether an iterable is its own iterator, as what a generator function gives; or a stream, which is used up. */
function canBeReadOnce(iterable: AsyncIterable<string>): boolean {
  return 'getReader' in iterable || 'next' in iterable;
}

function upstreamSettings(upstream: string | URL | UpstreamOptions): UpstreamSettings {
  const isUrl = typeof upstream === 'string' || upstream instanceof URL;
  const options: UpstreamOptions = isUrl ? { url: upstream } : upstream;
  const url = URL.canParse(String(options?.url)) ? new URL(options.url) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new TypeError(wrong('upstream', 'the URL of a server, or an object with such a `url`'));
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new TypeError(
      wrong('upstream', 'a URL without user, query and fragment; its key goes into `apiKey`'),
    );
  }
  const apiKey = isSecret(options.apiKey) ? options.apiKey.reveal() : options.apiKey;
  if (apiKey !== undefined && !isCredential(apiKey)) {
    throw new TypeError(wrong('upstream.apiKey', 'a string of printable ASCII characters without spaces'));
  }
  if (options.fetch !== undefined && typeof options.fetch !== 'function') {
    throw new TypeError(wrong('upstream.fetch', 'a function'));
  }
  const path = url.pathname.replace(/\/+$/, '');
  return {
    url: `${url.origin}${path === '' ? '/v1' : path}`,
    apiKey: apiKey === undefined ? undefined : new Secret(apiKey),
    fetch: options.fetch,
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
