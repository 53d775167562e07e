import type { Context as HonoContext } from 'hono';
import { TrieRouter } from 'hono/router/trie-router';
import { Hono } from 'hono/tiny';
import type { Context, Exchange, Route } from './context.ts';
import { corrupt, isReplaced, replacementOf } from './faults/apply.ts';
import type { FaultPlan } from './faults/plan.ts';
import { givenFields } from './faults/table.ts';
import { bearerToken, HttpError, notFound } from './http.ts';
import type { LoggedRequest } from './log.ts';
import { planeOf } from './operation.ts';

interface Bindings {
  readonly signal: AbortSignal;
  readonly log: LoggedRequest;
}

type App = (request: Request, bindings: Bindings) => Promise<Response>;

/** The service: routes with faults in front of them. */
export function createApp(context: Context, faults: FaultPlan, routes: readonly Route[]): App {
  const app = new Hono<{ Bindings: Bindings }>();
  // Unlike the default router, it distinguishes a trailing slash.
  app.router = new TrieRouter();
  for (const route of routes) {
    const handle = (c: HonoContext<{ Bindings: Bindings }>): Promise<Response> =>
      withFaults(c, route, context, faults);
    if (route.method === 'ALL') app.all(route.path, handle);
    else app.on(route.method, route.path, handle);
  }
  app.notFound(() => notFound());
  // A defect, or an option that misbehaves: its author should see it rather than a 500.
  app.onError((error) => {
    throw error;
  });
  return async (request, bindings) => {
    const redirect = context.settings.behind === 'gateway' ? cleanPathRedirect(request) : undefined;
    const response = redirect ?? (await app.fetch(request, bindings));
    if (request.method === 'HEAD') response.headers.delete('transfer-encoding');
    return response;
  };
}

async function withFaults(
  { req, env: { signal, log } }: HonoContext<{ Bindings: Bindings }>,
  route: Route,
  { account, settings }: Context,
  faults: FaultPlan,
): Promise<Response> {
  const request = req.raw;
  const { pathname: path } = new URL(request.url);
  const plane = planeOf(path);
  const { method, operation } = { method: request.method, operation: route.operation };
  const params: Record<string, string> = req.param();
  const keys = [bearerToken(request), params.id].flatMap((word) => {
    const record = word === undefined ? undefined : account.keys.recall(word);
    return record === undefined ? [] : [record];
  });
  const fault = plane === undefined ? {} : faults.match({ plane, operation, method, path, keys });
  const fields = givenFields(fault);
  log.add({ ...(operation && { operation }), ...(fields.length > 0 && { faults: fields }) });

  if (fault.delayMs !== undefined) await settings.sleep(fault.delayMs, signal);
  const isApplied = !isReplaced(fault) || fault.applied === true || fault.appliedAfterMs !== undefined;
  if (!isApplied) return replacementOf(fault, request, plane);
  const response = await respond(route, { request, params, signal, fault, log });
  if (!isReplaced(fault)) return corrupt(response, fault, { sleep: settings.sleep, signal });
  await response.body?.cancel();
  return replacementOf(fault, request, plane);
}

async function respond(route: Route, exchange: Exchange): Promise<Response> {
  try {
    return await route.handle(exchange);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    exchange.log.add({ reason: error.reason });
    return error.toResponse(exchange.request);
  }
}

/** The gateway's router redirects a path with repeated slashes. */
function cleanPathRedirect({ url }: Request): Response | undefined {
  const { pathname, search } = new URL(url);
  const clean = pathname.replace(/\/{2,}/g, '/');
  if (clean === pathname || planeOf(clean) === 'control') return undefined;
  return new Response(null, { status: 301, headers: { location: clean + search, 'content-length': '0' } });
}
