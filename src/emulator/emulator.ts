import type {
  PlatformRequest,
  PlatformRequestInit,
  PlatformResponse,
  PlatformUrl,
} from '../internal/platform.ts';
import { abortable } from '../internal/wait.ts';
import type { Secret } from '../secret/secret.ts';
import { Account } from './account.ts';
import { type Add, createAdmin } from './admin.ts';
import { createApp } from './app.ts';
import { mapBody } from './body.ts';
import { RuleBook, type Rules } from './data-plane/rules.ts';
import type { Faults } from './faults/fault.ts';
import { FaultPlan } from './faults/plan.ts';
import { isEventStream, LostConnection } from './http.ts';
import { type CreatedEmulatedKey, type EmulatedKeys, emulatedKeys } from './keys.ts';
import { type EmulatedRequest, RequestLog } from './log.ts';
import { type EmulatorOptions, resolveOptions } from './options.ts';
import { randomText as createRandomText } from './random.ts';

/**
 * A d.run emulator, created by {@link createEmulator}. With `await using`, the emulator is closed at the end of the
 * block: responses in progress are aborted, and further requests fail as if the server were not running.
 *
 * Printing, inspecting or serializing an emulator reveals no credentials.
 */
export interface Emulator extends AsyncDisposable {
  /**
   * Handles a request to either plane or to `/_emulator/`. Can replace `fetch` in any client and does not depend on
   * `this`. The emulator ignores the host in the URL.
   *
   * @returns The service's response, including error responses.
   * @throws The signal's reason, if the signal is aborted. After an abort, reading the body of a stream throws it too.
   * @throws {TypeError} If the request is invalid, a fault drops the connection, or the emulator has been closed.
   */
  readonly fetch: (
    input: PlatformRequest | PlatformUrl | string,
    init?: PlatformRequestInit,
  ) => Promise<PlatformResponse>;
  /** The access token for the control plane. A reset does not change the token. */
  readonly accessToken: Secret;
  /** The keys that currently exist. */
  readonly keys: EmulatedKeys;
  /** The last 1,000 requests, oldest first. Requests to `/_emulator/` are included only if they are rejected. */
  readonly requests: Iterable<EmulatedRequest>;
  /** The active faults. */
  readonly faults: Faults;
  /** The active rules. */
  readonly rules: Rules;
  /**
   * Restores the initial state: the keys, rules and faults from the options, an empty request log, and no usage.
   * Responses in progress continue.
   */
  readonly reset: () => void;
}

/** The request log of each emulator. `serve` adds requests that it rejects before they reach the emulator. */
export const logs = new WeakMap<object, RequestLog>();

/**
 * Creates an in-memory emulator of d.run that serves both planes on one origin.
 *
 * It behaves like the real service: it accepts only keys that it issued, echoes rejected credentials in plain text,
 * requires a body wherever the contract does, omits zero values from responses, and fails the way the gateway does.
 *
 * @throws {TypeError | RangeError} If an option is invalid.
 *
 * @example
 * ```ts
 * import { createEmulator } from 'drun-sdk/emulator';
 *
 * const drun = createEmulator({ reply: ({ request }) => `You asked ${request.model}.` });
 * const { secret } = drun.keys.create({ name: 'checkout' });
 * const response = await drun.fetch('https://chat.d.run/v1/chat/completions', {
 *   method: 'POST',
 *   headers: { authorization: `Bearer ${secret.reveal()}` },
 *   body: JSON.stringify({ model: 'public/deepseek-r1', messages: [{ role: 'user', content: 'Hello!' }] }),
 * });
 * (await response.json()).choices[0].message.content; // 'You asked public/deepseek-r1.'
 * ```
 */
export function createEmulator(options: EmulatorOptions = {}): Emulator {
  const settings = resolveOptions(options);
  const randomText = createRandomText(settings.random);
  const account = new Account(settings, randomText);
  const context = { settings, account, randomText };
  const faults = new FaultPlan(settings.random);
  const rules = new RuleBook();
  const keys = emulatedKeys(account, settings.now);
  const log = new RequestLog(settings, account.token);
  const app = createApp(context, faults, rules);

  const add: Add = (scenario) => {
    const created: CreatedEmulatedKey[] = [];
    try {
      for (const key of scenario.keys ?? []) created.push(keys.create(key));
    } catch (error) {
      for (const { id } of created) keys.delete(id);
      throw error;
    }
    for (const rule of scenario.rules ?? []) rules.add(rule);
    for (const fault of scenario.faults ?? []) faults.schedule(fault);
    return scenario.keys && created;
  };
  const reset = (): void => {
    for (const part of [account, rules, faults, log]) part.clear();
    add(settings);
  };
  reset();
  const admin = createAdmin({ context, keys, rules, faults, log, add, reset });

  const open = new Set<AbortController>();
  let isClosed = false;
  const handle = async (request: Request): Promise<Response> => {
    const entry = log.open(request);
    // A separate signal leaves no listener on the caller's signal and allows the emulator to abort all requests.
    const controller = new AbortController();
    const { signal } = controller;
    const onAbort = (): void => controller.abort(request.signal.reason);
    const end = (): void => {
      if (!open.delete(controller)) return;
      request.signal.removeEventListener('abort', onAbort);
      entry.end();
    };
    open.add(controller);
    request.signal.addEventListener('abort', onAbort);
    signal.addEventListener('abort', end);
    try {
      const response = await abortable(app(request, { signal, log: entry }), signal);
      // Clients may use the `Date` header to read the service's clock.
      response.headers.set('date', new Date(settings.now()).toUTCString());
      entry.add({ status: response.status });
      const { body, status, headers } = response;
      if (body === null || !isEventStream(response)) {
        end();
        return response;
      }
      const leave = (): void => controller.abort(new Error('The client has disconnected.'));
      const stream = mapBody(body, (chunks) => chunks, { signal, onEnd: end, onCancel: leave });
      return new Response(stream, { status, headers });
    } catch (error) {
      end();
      throw error;
    }
  };

  const emulator: Emulator = {
    accessToken: account.token,
    async fetch(input, init) {
      const request = input instanceof Request && init === undefined ? input : new Request(input, init);
      request.signal.throwIfAborted();
      if (isClosed) throw new LostConnection('ECONNREFUSED');
      const { pathname } = new URL(request.url);
      return pathname.startsWith('/_emulator') ? admin(request) : handle(request);
    },
    keys,
    requests: { [Symbol.iterator]: () => log.entries() },
    faults,
    rules,
    reset,
    async [Symbol.asyncDispose]() {
      isClosed = true;
      for (const controller of [...open]) controller.abort(new LostConnection());
      reset();
    },
  };
  logs.set(emulator, log);
  return emulator;
}
