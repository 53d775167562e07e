import { Hono } from 'hono/tiny';
import { isSecret, type Secret } from '../secret/secret.ts';
import type { KeyRecord } from './account/key-registry.ts';
import { type EmulatedKeyChanges, type EmulatedKeys, isKey } from './account/keys.ts';
import type { Context } from './context.ts';
import { dashboard } from './dashboard.ts';
import type { RuleBook } from './data-plane/rules.ts';
import type { FaultPlan } from './faults/plan.ts';
import { bearerToken, HttpError, isObject, json, parseJson } from './http.ts';
import type { RequestLog } from './log.ts';
import type { EmulatorOptions } from './options.ts';

interface AdminOptions {
  readonly context: Context;
  readonly keys: EmulatedKeys;
  readonly rules: RuleBook;
  readonly faults: FaultPlan;
  readonly log: RequestLog;
  readonly reset: () => void;
}

/** Parts of the options that can be added to a running emulator. */
type Scenario = Pick<EmulatorOptions, 'keys' | 'rules' | 'faults'>;

const PARTS = ['keys', 'rules', 'faults'];

function adminError(status: number, message: string): HttpError {
  return new HttpError(status, message, () => json({ message }, status));
}

const done = (): Response => new Response(null, { status: 204 });

/**
 * `/_emulator/`: the dashboard, and endpoints that do for other processes what the methods of an emulator do. Every
 * endpoint requires the access token; no response holds a full key, except that of its creation.
 */
export function createAdmin(options: AdminOptions): (request: Request) => Promise<Response> {
  const { context, keys, rules, faults, log, reset } = options;
  const { account, settings } = context;
  const app = new Hono();

  /** The keys that the `key` parameter selects by id or name; `undefined` without the parameter. */
  const selection = (url: string): readonly KeyRecord[] | undefined => {
    const name = new URL(url).searchParams.get('key');
    if (name === null) return undefined;
    const records = account.keys.list().filter((record) => isKey(record, name));
    if (records.length === 0) throw adminError(404, `No key has the id or name \`${name}\`.`);
    return records;
  };
  const selects = (records: readonly KeyRecord[] | undefined) => (key: string | Secret | undefined) =>
    records === undefined || (key !== undefined && records.some((record) => isKey(record, key)));
  const idsOf = (records: readonly KeyRecord[] | undefined) =>
    records && new Set(records.map(({ id }) => id));
  const add = (scenario: Scenario): object => {
    const created = (scenario.keys ?? []).map((key) => keys.create(key));
    for (const rule of scenario.rules ?? []) rules.add(rule);
    for (const fault of scenario.faults ?? []) faults.schedule(fault);
    return {
      ...(scenario.keys && { keys: created.map(({ secret, ...key }) => ({ ...key, key: secret.reveal() })) }),
      ...(scenario.rules && { rules: scenario.rules.length }),
      ...(scenario.faults && { faults: scenario.faults.length }),
    };
  };

  app.get('/_emulator/info', () => {
    const { version, models, behind, strict } = settings;
    return json({ version, models, behind, strict });
  });
  app.get('/_emulator/keys', () => json([...keys]));
  app.get('/_emulator/rules', ({ req }) => {
    const isSelected = selects(selection(req.url));
    const views = [...rules].map(({ hits, when }, index) => ({ position: index + 1, hits, when }));
    const view = views.filter(({ when }) => isSelected(when.key));
    return json(
      view.map((rule) =>
        isSecret(rule.when.key) ? { ...rule, when: { ...rule.when, key: rule.when.key.masked } } : rule,
      ),
    );
  });
  app.get('/_emulator/requests', ({ req }) => {
    const ids = idsOf(selection(req.url));
    return json([...log.entries()].filter(({ keyId = '' }) => ids === undefined || ids.has(keyId)));
  });
  app.post('/_emulator/reset', ({ req }) => {
    const records = selection(req.url);
    if (records === undefined) reset();
    else {
      rules.clear(selects(records));
      faults.clear(selects(records));
      log.clear(idsOf(records));
      for (const record of records) record.usedTokens = 0n;
    }
    return done();
  });
  app.post('/_emulator/scenario', async ({ req }) => {
    const scenario = await bodyOf(req.raw);
    if (!isObject(scenario)) throw adminError(400, 'The scenario must be a JSON object.');
    for (const [part, value] of Object.entries(scenario)) {
      if (!PARTS.includes(part))
        throw adminError(400, `\`${part}\` cannot be changed while the emulator runs.`);
      if (!Array.isArray(value)) throw adminError(400, `\`${part}\` must be an array.`);
    }
    return json(add(scenario), 201);
  });
  app.post('/_emulator/:part{keys|rules|faults}', async ({ req }) =>
    json(add({ [req.param('part')]: [await bodyOf(req.raw)].flat() }), 201),
  );
  app.patch('/_emulator/keys/:id', async ({ req }) =>
    json(keys.update(req.param('id'), (await bodyOf(req.raw)) as EmulatedKeyChanges)),
  );
  app.delete('/_emulator/keys/:id', ({ req }) => {
    keys.delete(req.param('id'));
    return done();
  });
  app.delete('/_emulator/:part{rules|faults|requests}', ({ req }) => {
    const records = selection(req.url);
    if (req.param('part') === 'requests') log.clear(idsOf(records));
    else (req.param('part') === 'rules' ? rules : faults).clear(selects(records));
    return done();
  });
  app.notFound(() => json({ message: 'Not found.' }, 404));
  app.onError((error, { req }) => {
    if (error instanceof HttpError) return error.toResponse(req.raw);
    if (error instanceof RangeError) return json({ message: error.message }, 409);
    if (error instanceof TypeError) return json({ message: error.message }, 400);
    throw error;
  });

  return async (request) => {
    const page = await dashboard(request);
    if (page !== undefined) return page;
    const token = bearerToken(request);
    const isAllowed = token !== undefined && account.users.ownerToken.equals(token);
    return isAllowed ? app.fetch(request) : json({ message: 'The access token is missing or invalid.' }, 401);
  };
}

async function bodyOf(request: Request): Promise<object> {
  const value = parseJson(await request.text());
  if (typeof value !== 'object' || value === null) throw adminError(400, 'The body must be JSON.');
  return value;
}
