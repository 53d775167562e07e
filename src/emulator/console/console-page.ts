import type { Secret } from '../../secret/secret.ts';
import { bearerToken, methodNotAllowed, notFound, Refusal } from '../http.ts';
import type { EmulatedVersion } from '../options.ts';
import type { EmulatedRequest } from '../request-log.ts';
import { callControlPlane, isKeyCall } from './key-calls.ts';
import { pageAnswer, pageJson } from './page-answer.ts';
import { CONSOLE_PATH } from './paths.ts';

/** What the page shows of an emulator, and acts on. */
export interface ConsoleSource {
  readonly accessToken: Secret;
  readonly version: EmulatedVersion;
  /** The models that there are; rejects with a Refusal where the server that knows them does not say. */
  readonly models: (signal: AbortSignal) => Promise<readonly string[]>;
  readonly requests: Iterable<EmulatedRequest>;
  readonly now: () => number;
  /** Answers as the service would, and notes the request. */
  readonly fetch: (request: Request) => Promise<Response>;
}

/** How many of the last requests are shown. */
const SHOWN_REQUESTS = 50;

/**
 * The API Key Management page: answers what is asked for it, and gives undefined for every other request. Nothing of
 * this is noted as a request to the service, but the calls that the page makes at the control plane are.
 *
 * How it is kept shut: what shows or changes anything wants the access token, as the control plane does. The page
 * does not have it, so it can give it to nobody. A server that only this machine reaches adds it to the page's own
 * calls (`local-access.ts`), as the real console's session does; anywhere else the page asks for it.
 */
export function consolePage(source: ConsoleSource): (request: Request) => Promise<Response> | undefined {
  return (request) => {
    const { pathname } = new URL(request.url);
    if (pathname !== '/' && !pathname.startsWith(CONSOLE_PATH)) return undefined;
    return answer(source, request, pathname);
  };
}

async function answer(source: ConsoleSource, request: Request, path: string): Promise<Response> {
  // Only who opens the page loads its files.
  const { assets } = await import('./assets.ts');
  const asset = Object.hasOwn(assets, path) ? assets[path] : undefined;
  if (asset !== undefined) {
    if (request.method !== 'GET' && request.method !== 'HEAD') return methodNotAllowed(['GET', 'HEAD']);
    return pageAnswer(asset.text, asset.type);
  }

  const token = bearerToken(request);
  if (token === undefined || !source.accessToken.equals(token)) {
    return pageJson({ message: 'The access token is missing or not valid' }, 401);
  }
  const call = path.slice(CONSOLE_PATH.length - 1);
  if (isKeyCall(request.method, call)) return callControlPlane(source.fetch, request, call);
  switch (`${request.method} ${call}`) {
    case 'GET /service':
      return pageJson({ version: source.version });
    case 'GET /models':
      return tellModels(source, request.signal);
    case 'GET /requests':
      return pageJson({
        now: new Date(source.now()),
        requests: [...source.requests].slice(-SHOWN_REQUESTS).reverse(),
      });
    default:
      return notFound();
  }
}

async function tellModels(source: ConsoleSource, signal: AbortSignal): Promise<Response> {
  try {
    return pageJson({ models: await source.models(signal) });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return pageJson({ message: 'The model server does not tell its models' }, error.status);
  }
}
