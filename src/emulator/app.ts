import { TrieRouter } from 'hono/router/trie-router';
import { Hono } from 'hono/tiny';
import type { Context, Env, Operate } from './context.ts';
import { controlPlane } from './control-plane/control-plane.ts';
import { unknownPath } from './data-plane/errors.ts';
import { dataPlane } from './data-plane/gateway.ts';
import type { RuleBook } from './data-plane/rules.ts';
import { corrupt, replacementOf } from './faults/apply.ts';
import type { FaultPlan } from './faults/plan.ts';
import { effectsOf } from './faults/table.ts';
import { bearerToken, HttpError, notFound } from './http.ts';
import { planeOf } from './operation.ts';

/** Creates the app that serves both planes and applies faults. */
export function createApp(context: Context, faults: FaultPlan, rules: RuleBook) {
  const { account, settings } = context;
  const { sleep } = settings;
  const app = new Hono<Env>();
  // Unlike the default router, this router distinguishes paths with and without a trailing slash.
  app.router = new TrieRouter();

  const operate: Operate = (operation) => async (c, next) => {
    const { raw: request, path } = c.req;
    const { signal, log } = c.env;
    const plane = planeOf(path) ?? 'data';
    const words = [bearerToken(request), c.req.param('id')];
    const keys = words.flatMap((word) => account.recall(word ?? '') ?? []);
    const fault = faults.match({ plane, operation, keys });
    const effects = effectsOf(fault);
    log.add({ ...(operation && { operation }), ...(effects.length > 0 && { faults: effects }) });
    c.set('fault', fault);

    if (fault.delayMs !== undefined) await sleep(fault.delayMs, signal);
    const isReplaced = fault.status !== undefined || fault.dropConnection === true;
    if (isReplaced && fault.applied !== true) return replacementOf(fault, request, plane);
    await next();
    if (effects.length === 0) return undefined;
    const response = c.res;
    // Reset the response; otherwise, Hono would add the headers of the old response to the new response.
    c.res = undefined;
    if (isReplaced) await response.body?.cancel();
    c.res = isReplaced
      ? replacementOf(fault, request, plane)
      : await corrupt(response, fault, { sleep, signal });
    return undefined;
  };
  controlPlane(app, operate, context);
  dataPlane(app, operate, context, rules);

  app.notFound(({ env: { log } }) => {
    log.add({ reason: 'Nothing is served at this path.' });
    return settings.behind === 'none' ? unknownPath() : notFound();
  });
  app.onError((error, { req, env: { log } }) => {
    // Rethrow errors caused by bugs in the emulator or by functions in the options, so that the developer sees them.
    if (!(error instanceof HttpError)) throw error;
    log.add({ reason: error.reason });
    return error.toResponse(req.raw);
  });
  return async (request: Request, bindings: Env['Bindings']): Promise<Response> => {
    const redirect = settings.behind === 'gateway' ? cleanPathRedirect(request) : undefined;
    const response = redirect ?? (await app.fetch(request, bindings));
    if (request.method === 'HEAD') response.headers.delete('transfer-encoding');
    return response;
  };
}

/** Returns the redirect that the gateway's router sends for a path with repeated slashes. */
function cleanPathRedirect({ url }: Request): Response | undefined {
  const { pathname, search } = new URL(url);
  const clean = pathname.replace(/\/{2,}/g, '/');
  if (clean === pathname || planeOf(clean) === 'control') return undefined;
  return new Response(null, { status: 301, headers: { location: clean + search, 'content-length': '0' } });
}
