import type { Secret } from '../secret/secret.ts';
import { abortable } from './abortable.ts';
import { consolePage } from './console/index.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Faults } from './faults/fault.ts';
import { FaultPlan } from './faults/fault-plan.ts';
import { guardedBody } from './guarded-body.ts';
import { isEventStream } from './http.ts';
import { type EmulatedKeys, emulatedKeys } from './keys/emulated-keys.ts';
import { KeyVault } from './keys/key-vault.ts';
import { Users } from './keys/users.ts';
import { LostConnection } from './lost-connection.ts';
import { type OpenCall, OpenCalls } from './open-calls.ts';
import { type EmulatorOptions, resolveOptions } from './options.ts';
import { randomText } from './random.ts';
import { type EmulatedRequest, RequestLog } from './request-log.ts';
import { UsageLedger } from './usage-ledger.ts';

/**
 * d.run in memory, as {@link createEmulator} makes it. With `await using` it is closed at the end of the block: answers
 * on their way break off, and every further request is refused like a connection to a server that is gone.
 *
 * Safe to print, inspect and serialise: no credential shows.
 */
export interface Emulator extends AsyncDisposable {
  /**
   * Answers a request to either plane, or for the API Key Management page at `/`. Takes the place of `fetch` in any
   * client, also detached from the emulator; only the path of the URL matters, not its host.
   *
   * @returns What the service would answer, errors included.
   * @throws The reason of the signal, once that is aborted; so does reading the body of a stream.
   * @throws TypeError for what cannot be a request, such as a relative URL, and where a fault takes the connection away.
   */
  readonly fetch: (input: Request | string | URL, init?: RequestInit) => Promise<Response>;
  /** The access token that the control plane accepts. It stays the same over {@link Emulator.reset}. */
  readonly accessToken: Secret;
  /**
   * The access token of another user of the same account, by a name; made where there is none. What `my-apikeys` lists
   * is the keys that a user created; everything else all users share.
   */
  readonly accessTokenFor: (user: string) => Secret;
  /** The keys that exist, and ways to make and change them without a request. */
  readonly keys: EmulatedKeys;
  /**
   * The last 1000 requests at the moment of iterating, in the order in which they came. What the page loads to show
   * itself is not among them; what it does with keys is.
   */
  readonly requests: Iterable<EmulatedRequest>;
  /** What is to go wrong. */
  readonly faults: Faults;
  /** Deletes every key and forgets every request, fault and usage. Answers that are on their way go on. */
  readonly reset: () => void;
}

/**
 * Makes a d.run of one's own, in memory: both planes on one origin, `Request` in, `Response` out.
 *
 * It accepts only keys that it issued and is deliberately no kinder than the service: it repeats a refused
 * credential in clear, requires the bodies that the contract requires, and leaves out zero values.
 *
 * @param options - Everything has a default.
 * @throws TypeError or RangeError that names the option that is wrong.
 *
 * @example
 * ```ts
 * import { createEmulator } from 'drun-sdk/emulator';
 *
 * const drun = createEmulator({ reply: ({ request }) => `You asked ${request.model}.` });
 * const { secret } = drun.keys.create({ name: 'checkout' });
 * const answer = await drun.fetch('https://chat.d.run/v1/chat/completions', {
 *   method: 'POST',
 *   headers: { authorization: `Bearer ${secret.reveal()}` },
 *   body: JSON.stringify({ model: 'public/deepseek-r1', messages: [{ role: 'user', content: 'Hello!' }] }),
 * });
 * (await answer.json()).choices[0].message.content; // 'You asked public/deepseek-r1.'
 * ```
 */
export function createEmulator(options: EmulatorOptions = {}): Emulator {
  const settings = resolveOptions(options);
  const drawText = randomText(settings.random);
  const users = new Users(settings.accessToken, drawText);
  const vault = new KeyVault(settings, drawText);
  const ledger = new UsageLedger(settings.now);
  const faults = new FaultPlan(settings.random);
  const log = new RequestLog({ ...settings, tokens: () => users.tokens() });
  const calls = new OpenCalls();
  const dispatcher = new Dispatcher({ settings, users, vault, ledger, drawText }, faults);
  const requests = { [Symbol.iterator]: () => log.entries() };
  let isClosed = false;

  const answer = async (request: Request): Promise<Response> => {
    const entry = log.open(request);
    const call = calls.open(request.signal, entry.over);
    try {
      const response = await abortable(() => dispatcher.answer(request, call.signal, entry), call.signal);
      // Clients may measure by the server's clock, so this one's has to be on the answer.
      response.headers.set('date', new Date(settings.now()).toUTCString());
      entry.answered(response.status);
      return whileOpen(response, call);
    } catch (error) {
      call.end();
      throw error;
    }
  };
  const page = consolePage({
    ...settings,
    models: (signal) => dispatcher.models(signal),
    accessToken: users.ownerToken,
    requests,
    fetch: answer,
  });

  const reset = (): void => {
    vault.clear();
    ledger.clear();
    faults.clear();
    log.clear();
  };
  return {
    accessToken: users.ownerToken,
    accessTokenFor: (user) => users.named(user).token,
    async fetch(input, init) {
      // Copied only where there is something to add.
      const request = input instanceof Request && init === undefined ? input : new Request(input, init);
      request.signal.throwIfAborted();
      if (isClosed) throw new LostConnection('ECONNREFUSED');
      return page(request) ?? answer(request);
    },
    keys: emulatedKeys(vault, users, settings.now),
    requests,
    faults: faults.controls,
    reset,
    async [Symbol.asyncDispose]() {
      isClosed = true;
      calls.abort(new LostConnection());
      reset();
    },
  };
}

/** A stream keeps its call open for as long as it goes on; any other answer is over once it is there. */
function whileOpen(response: Response, call: OpenCall): Response {
  const { body, status, headers } = response;
  if (body !== null && isEventStream(response)) {
    return new Response(guardedBody(body, call), { status, headers });
  }
  call.end();
  return response;
}
