import { MAX_TIMER_MS } from '../internal/checks.ts';
import type {
  PlatformAbortSignal,
  PlatformRequestInit,
  PlatformResponse,
  PlatformUrl,
} from '../internal/platform.ts';
import { sleep } from '../internal/wait.ts';
import { isSecret, type Secret } from '../secret/secret.ts';
import { check } from './checks.ts';
import type { Reply, ReplyFunction } from './data-plane/reply.ts';
import type { EmulatorRule } from './data-plane/rules.ts';
import type { ScheduledFault } from './faults/fault.ts';
import type { NewEmulatedKey } from './keys.ts';
import type { EmulatedRequest } from './log.ts';
import { secureRandom } from './random.ts';
import { options as schema } from './scenario.ts';

/** A version of the service that can be emulated. */
export type EmulatedVersion = '0.15' | '0.16' | '0.17';

/** Resolves after the given time, or rejects with the signal's reason as soon as the signal is aborted. */
export type Sleep = (milliseconds: number, signal: PlatformAbortSignal) => Promise<void>;

/** A model that the data plane serves. */
export interface EmulatedModel {
  readonly id: string;
  /** Context length in tokens. Requests that exceed this limit are rejected with vLLM's error. Default: unlimited. */
  readonly contextLength?: number | undefined;
  /**
   * The field of messages and deltas that contains the reasoning. Default: `reasoning_content`, or `reasoning` with
   * `behind: 'none'`.
   */
  readonly reasoningField?: 'reasoning' | 'reasoning_content' | undefined;
}

/** A real OpenAI-compatible server behind the emulator. */
export interface UpstreamOptions {
  /** Base URL of the server, such as `http://127.0.0.1:11434/v1`. If the URL has no path, `/v1` is added. */
  readonly url: string | PlatformUrl;
  /** API key to send instead of the caller's key. Default: no credential is sent. */
  readonly apiKey?: string | Secret | undefined;
  /** Default: the global `fetch`. */
  readonly fetch?: ((input: string, init: PlatformRequestInit) => Promise<PlatformResponse>) | undefined;
}

/**
 * Options for {@link createEmulator}. All options except functions and `Secret` objects can be read from a JSON file.
 */
export interface EmulatorOptions {
  /**
   * Maximum number of keys in the account and in each workspace. `Infinity` means no limit.
   *
   * @defaultValue 5
   */
  readonly maxKeys?: number | 'unlimited' | undefined;
  /**
   * The version to emulate. Before 0.17, lists contain full keys; there is no masked list and no way to reveal a key.
   *
   * @defaultValue '0.17'
   */
  readonly version?: EmulatedVersion | undefined;
  /**
   * The available models. With an `upstream`, the default is the list of models that the upstream server reports.
   *
   * @defaultValue ['public/deepseek-r1', 'u-8105f7322477/test']
   */
  readonly models?: readonly (string | EmulatedModel)[] | undefined;
  /**
   * The reply to requests that no rule matches. By default, the emulator echoes the last user message, calls a tool if
   * `tool_choice` requires one, and replies with the simplest valid value if `response_format` requires JSON.
   *
   * A function that throws emulates a failing model server. If the reply has not started, the response has status 500.
   * Otherwise, the stream ends the way the gateway ends a failed stream.
   */
  readonly reply?: Reply | ReplyFunction | undefined;
  /** Scripted replies to matching requests. The first matching rule provides the reply. */
  readonly rules?: readonly EmulatorRule[] | undefined;
  /** Whether to reject requests that no rule matches, unless `reply` is set. The error describes the request. */
  readonly strict?: boolean | undefined;
  /** A real model server (or its base URL) that handles requests that no rule matches. */
  readonly upstream?: string | PlatformUrl | UpstreamOptions | undefined;
  /**
   * The layer in front of the models: d.run's `gateway`, or `none` for a vLLM server that accepts the emulator's keys.
   *
   * @defaultValue 'gateway'
   */
  readonly behind?: 'gateway' | 'none' | undefined;
  /** Keys to create at the start and after each reset. */
  readonly keys?: readonly NewEmulatedKey[] | undefined;
  /** Faults to set at the start and after each reset. */
  readonly faults?: readonly ScheduledFault[] | undefined;
  /** Access token for the control plane: printable ASCII without spaces. Default: a random token. */
  readonly accessToken?: string | Secret | undefined;
  /** The clock for timestamps, expiry, faults and `Date` headers, in milliseconds since 1970. Default: `Date.now`. */
  readonly now?: (() => number) | undefined;
  /** Waits when a fault delays a response. Tests can pass a function that advances `now` instead. Default: a timer. */
  readonly sleep?: Sleep | undefined;
  /**
   * Returns a random number from 0 (inclusive) to 1 (exclusive), used for ids, keys, tokens and random faults. Pass
   * `seededRandom(7)` for repeatable runs. Default: a cryptographically secure source.
   */
  readonly random?: (() => number) | undefined;
  /**
   * Called for each request after the response has ended or the client has disconnected. Errors thrown by this function
   * are ignored.
   */
  readonly onRequest?: ((request: EmulatedRequest) => void) | undefined;
}

/** The options with defaults applied. */
export type Settings = ReturnType<typeof resolveOptions>;

export const DEFAULT_MODELS: readonly string[] = ['public/deepseek-r1', 'u-8105f7322477/test'];

/** @throws {TypeError} If an option is invalid. The message names the option. */
export function resolveOptions(options: EmulatorOptions) {
  check('createEmulator', schema, options);
  const { upstream, maxKeys = 5 } = options;
  const models = options.models ?? (upstream === undefined ? DEFAULT_MODELS : []);
  return {
    maxKeys: maxKeys === 'unlimited' ? Number.POSITIVE_INFINITY : maxKeys,
    version: options.version ?? '0.17',
    /** Empty if the upstream server provides the list. */
    models: models.map((model): EmulatedModel => (typeof model === 'string' ? { id: model } : { ...model })),
    reply: options.reply,
    rules: [...(options.rules ?? [])],
    strict: options.strict ?? false,
    behind: options.behind ?? 'gateway',
    keys: [...(options.keys ?? [])],
    faults: [...(options.faults ?? [])],
    upstream,
    accessToken: isSecret(options.accessToken) ? options.accessToken.reveal() : options.accessToken,
    now: options.now ?? (() => Date.now()),
    sleep: options.sleep ?? ((ms, signal) => sleep(Math.min(ms, MAX_TIMER_MS), signal as AbortSignal)),
    random: options.random ?? secureRandom,
    onRequest: options.onRequest,
  };
}
