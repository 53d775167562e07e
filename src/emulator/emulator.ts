import { Hono } from 'hono';
import { Secret } from '../secret/secret.ts';
import { abortable } from './abortable.ts';
import { consolePage } from './console/index.ts';
import { controlPlane } from './control-plane.ts';
import { dataPlane } from './data-plane.ts';
import { type EmulatedKey, emulatedKey } from './emulated-key.ts';
import { errorResponse, notFound, Refusal } from './http.ts';
import { type EmulatorOptions, resolveOptions, type Settings } from './options.ts';
import { ALPHANUMERIC, type RandomText, randomText } from './random.ts';
import { type EmulatedRequest, RequestLog } from './request-log.ts';
import { State } from './state.ts';

/**
 * d.run in memory, as {@link createEmulator} makes it.
 *
 * Safe to print, inspect and serialise: no credential shows.
 */
export interface Emulator {
  /**
   * Answers a request to either plane, or for the API Key Management page at `/`. Takes the place of `fetch` in any
   * client, also detached from the emulator; only the path of the URL matters, not its host.
   *
   * @returns What the service would answer, errors included.
   * @throws The reason of the signal, once that is aborted; so does reading the body of a stream.
   * @throws TypeError for what cannot be a request, such as a relative URL.
   */
  readonly fetch: (input: Request | string | URL, init?: RequestInit) => Promise<Response>;
  /** The access token that the control plane accepts. It stays the same over {@link Emulator.reset}. */
  readonly accessToken: Secret;
  /** The keys that exist at the moment of iterating, oldest first. */
  readonly keys: Iterable<EmulatedKey>;
  /**
   * The last 1000 requests at the moment of iterating, in the order in which they came. What the page loads to show
   * itself is not among them; what it does with keys is.
   */
  readonly requests: Iterable<EmulatedRequest>;
  /** Deletes every key and forgets every request. Answers that are on their way go on. */
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
 * const created = await drun.fetch('https://console.d.run/apis/hydra.io/v1alpha1/apikeys', {
 *   method: 'POST',
 *   headers: { authorization: `Bearer ${drun.accessToken.reveal()}` },
 *   body: JSON.stringify({ name: 'checkout' }),
 * });
 * const { key } = await created.json();
 * const answer = await drun.fetch('https://chat.d.run/v1/chat/completions', {
 *   method: 'POST',
 *   headers: { authorization: `Bearer ${key}` },
 *   body: JSON.stringify({ model: 'public/deepseek-r1', messages: [{ role: 'user', content: 'Hello!' }] }),
 * });
 * (await answer.json()).choices[0].message.content; // 'You asked public/deepseek-r1.'
 * ```
 */
export function createEmulator(options: EmulatorOptions = {}): Emulator {
  const settings = resolveOptions(options);
  const drawText = randomText(settings.random);
  const accessToken = new Secret(settings.accessToken ?? drawText(ALPHANUMERIC, 48));
  const state = new State(settings, drawText);
  const log = new RequestLog(accessToken, settings.now);
  const router = createRouter(state, settings, { accessToken, drawText });
  const requests = { [Symbol.iterator]: () => log.entries() };

  const answer = async (request: Request): Promise<Response> => {
    const answered = log.open(request);
    const response = await abortable(async () => router.fetch(request), request.signal);
    // Clients may measure by the server's clock, so this one's has to be on the answer.
    response.headers.set('date', new Date(settings.now()).toUTCString());
    answered(response.status);
    return response;
  };
  const { now, version, models } = settings;
  const page = consolePage({ accessToken, version, models, requests, now, fetch: answer });

  return {
    accessToken,
    async fetch(input, init) {
      // Copied only where there is something to add: a server's adapter may hand in a look-alike, which cannot be.
      const request = input instanceof Request && init === undefined ? input : new Request(input, init);
      request.signal.throwIfAborted();
      return page(request) ?? answer(request);
    },
    keys: {
      *[Symbol.iterator]() {
        for (const key of state.keys()) yield emulatedKey(key, settings.now());
      },
    },
    requests,
    reset() {
      state.clear();
      log.clear();
    },
  };
}

function createRouter(
  state: State,
  settings: Settings,
  { accessToken, drawText }: { readonly accessToken: Secret; readonly drawText: RandomText },
): Hono {
  const router = new Hono();
  router.route('/', controlPlane(state, settings, accessToken));
  router.route('/', dataPlane(state, settings, drawText));
  router.notFound(() => notFound());
  router.onError((error, context) => {
    if (error instanceof Refusal) return errorResponse(error, context.req.raw);
    // A defect, or an option that misbehaves: whoever wrote it should see it, not a 500.
    throw error;
  });
  return router;
}
