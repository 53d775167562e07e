import type { HonoRequest } from 'hono';
import { Hono } from 'hono/tiny';
import { parseJson } from '../internal/json.ts';
import type { Secret } from '../secret/secret.ts';
import { check } from './checks.ts';
import type { Context } from './context.ts';
import { dashboard } from './dashboard.ts';
import type { RuleBook } from './data-plane/rules.ts';
import type { FaultPlan } from './faults/plan.ts';
import { bearerToken, HttpError, json } from './http.ts';
import { type CreatedEmulatedKey, type EmulatedKeyChanges, type EmulatedKeys, isKey } from './keys.ts';
import type { RequestLog } from './log.ts';
import type { EmulatorOptions } from './options.ts';
import { addition } from './scenario.ts';

/** Adds keys, rules and faults to an emulator. @returns The created keys. */
export type Add = (
  scenario: Pick<EmulatorOptions, 'keys' | 'rules' | 'faults'>,
) => CreatedEmulatedKey[] | undefined;

interface AdminOptions {
  readonly context: Context;
  readonly keys: EmulatedKeys;
  readonly rules: RuleBook;
  readonly faults: FaultPlan;
  readonly log: RequestLog;
  readonly add: Add;
  readonly reset: () => void;
}

function adminError(status: number, message: string): HttpError {
  return new HttpError(status, message, () => json({ message }, status));
}

const done = (): Response => new Response(null, { status: 204 });

/**
 * Creates the handler for `/_emulator/`: the dashboard, and endpoints that let other processes use the emulator's
 * methods. Every endpoint requires the access token. Full keys are returned only on creation. Only rejected requests
 * appear in the request log.
 */
export function createAdmin(options: AdminOptions): (request: Request) => Promise<Response> {
  const { context, keys, rules, faults, log, add, reset } = options;
  const { account } = context;
  const app = new Hono();

  /** Returns a predicate that matches keys whose id or name equals the `key` parameter, or all keys if it is missing. */
  const selector = ({ url }: HonoRequest): ((key: string | Secret | undefined) => boolean) => {
    const name = new URL(url).searchParams.get('key');
    if (name === null) return () => true;
    const records = account.list().filter((record) => isKey(record, name));
    if (records.length === 0) throw adminError(404, `No key has the id or name \`${name}\`.`);
    return (key) => key !== undefined && records.some((record) => isKey(record, key));
  };
  const addAll = (given: unknown): Response => {
    // Validate everything before adding anything.
    check('scenario', addition, given);
    const scenario = given as Parameters<Add>[0];
    const created = add(scenario)?.map(({ secret, ...key }) => ({ ...key, key: secret.reveal() }));
    return json({ keys: created, rules: scenario.rules?.length, faults: scenario.faults?.length }, 201);
  };

  app.use('*', async ({ req }, next) => {
    const token = bearerToken(req.raw);
    if (token === undefined || !account.token.equals(token)) {
      throw adminError(401, 'The access token is missing or invalid.');
    }
    await next();
  });

  app.get('/_emulator/keys', () => json([...keys]));
  app.get('/_emulator/rules', ({ req }) => {
    const isSelected = selector(req);
    const views = [...rules].map(({ hits, when }, index) => ({ position: index + 1, hits, when }));
    return json(views.filter(({ when }) => isSelected(when.key)));
  });
  app.get('/_emulator/requests', ({ req }) => {
    const isSelected = selector(req);
    return json([...log.entries()].filter(({ keyId }) => isSelected(keyId)));
  });
  app.delete('/_emulator/:part{rules|faults|requests}', ({ req }) => {
    const parts: Record<string, typeof log | typeof rules | typeof faults> = { rules, faults, requests: log };
    parts[req.param('part')]?.clear(selector(req));
    return done();
  });
  app.post('/_emulator/reset', ({ req }) => {
    const isSelected = selector(req);
    for (const part of [rules, faults, log]) part.clear(isSelected);
    account.clearUsage(isSelected);
    if (req.query('key') === undefined) reset();
    return done();
  });
  app.post('/_emulator/scenario', async ({ req }) => addAll(await bodyOf(req.raw)));
  app.post('/_emulator/:part{keys|rules|faults}', async ({ req }) =>
    addAll({ [req.param('part')]: [await bodyOf(req.raw)].flat() }),
  );
  app.patch('/_emulator/keys/:id', async ({ req }) =>
    json(keys.update(req.param('id'), (await bodyOf(req.raw)) as EmulatedKeyChanges)),
  );
  app.delete('/_emulator/keys/:id', ({ req }) => {
    keys.delete(req.param('id'));
    return done();
  });
  app.notFound(() => {
    throw adminError(404, 'Nothing is served at this path.');
  });
  app.onError((error, { req }) => {
    const isConflict = error instanceof RangeError;
    const isInvalid = isConflict || error instanceof TypeError;
    const rejection = isInvalid ? adminError(isConflict ? 409 : 400, error.message) : error;
    if (!(rejection instanceof HttpError)) throw error;
    log.reject(req.raw, rejection.status, rejection.reason);
    return rejection.toResponse(req.raw);
  });
  return async (request) => (await dashboard(request)) ?? app.fetch(request);
}

/** @throws {HttpError} If the body is not JSON. */
async function bodyOf(request: Request): Promise<unknown> {
  const value = parseJson(await request.text());
  if (value === undefined) throw adminError(400, 'The body must be valid JSON.');
  return value;
}
