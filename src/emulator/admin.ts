import { Hono } from 'hono';
import { isSecret, type Secret } from '../secret/secret.ts';
import type { KeyRecord } from './account/key-registry.ts';
import { type EmulatedKeyChanges, type EmulatedKeys, isKey, type NewEmulatedKey } from './account/keys.ts';
import type { Context } from './context.ts';
import { dashboard } from './dashboard.ts';
import type { EmulatorRule, RuleBook } from './data-plane/rules.ts';
import type { ScheduledFault } from './faults/fault.ts';
import type { FaultPlan } from './faults/plan.ts';
import { bearerToken, isObject, json, parseJson } from './http.ts';
import type { RequestLog } from './log.ts';

interface AdminOptions {
  readonly context: Context;
  readonly keys: EmulatedKeys;
  readonly rules: RuleBook;
  readonly faults: FaultPlan;
  readonly log: RequestLog;
  readonly reset: () => void;
}

/** Parts of a scenario that can be added to a running emulator. */
interface Scenario {
  readonly keys?: readonly NewEmulatedKey[];
  readonly rules?: readonly EmulatorRule[];
  readonly faults?: readonly ScheduledFault[];
}

const SCENARIO_FIELDS = ['keys', 'rules', 'faults'];

/** An error of `/_emulator/`. */
class AdminError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * `/_emulator/`: the dashboard, and endpoints that do for other processes what the methods of an emulator do. Every
 * endpoint requires the access token; no response holds a full key, except that of its creation.
 */
export function createAdmin({
  context,
  keys,
  rules,
  faults,
  log,
  reset,
}: AdminOptions): (request: Request) => Promise<Response> {
  const { account, settings } = context;
  const app = new Hono({ strict: false });

  /** The keys that the `key` parameter selects by id or name; `undefined` without the parameter. */
  const selection = (name: string | undefined): readonly KeyRecord[] | undefined => {
    if (name === undefined) return undefined;
    const records = account.keys.list().filter((record) => isKey(record, name));
    if (records.length === 0) throw new AdminError(404, `No key has the id or name \`${name}\`.`);
    return records;
  };
  const selects =
    (records: readonly KeyRecord[] | undefined) =>
    (key: string | Secret | undefined): boolean =>
      records === undefined || (key !== undefined && records.some((record) => isKey(record, key)));
  const create = (key: NewEmulatedKey): object => {
    const { secret, ...view } = keys.create(key);
    return { ...view, key: secret.reveal() };
  };

  app.get('/_emulator/info', () => {
    const { version, models, behind, strict } = settings;
    return json({ version, models, behind, strict, now: new Date(settings.now()) });
  });

  app.get('/_emulator/keys', () => json([...keys]));
  app.post('/_emulator/keys', async ({ req }) => json(create((await body(req.raw)) as never), 201));
  app.patch('/_emulator/keys/:id', async ({ req }) =>
    json(keys.update(req.param('id'), (await body(req.raw)) as EmulatedKeyChanges)),
  );
  app.delete('/_emulator/keys/:id', ({ req }) => {
    keys.delete(req.param('id'));
    return new Response(null, { status: 204 });
  });

  app.get('/_emulator/rules', ({ req }) => {
    const isSelected = selects(selection(req.query('key')));
    const list = [...rules].map(({ hits, when }, index) => ({ position: index + 1, when, hits }));
    return json(
      list
        .filter(({ when }) => isSelected(when.key))
        .map(({ when, ...rest }) => ({
          ...rest,
          when: { ...when, ...(isSecret(when.key) && { key: when.key.masked }) },
        })),
    );
  });
  app.post('/_emulator/rules', async ({ req }) => {
    const added = [await body(req.raw)].flat().map((rule) => rules.add(rule as EmulatorRule));
    return json({ added: added.length }, 201);
  });
  app.delete('/_emulator/rules', ({ req }) => {
    rules.clear(selects(selection(req.query('key'))));
    return new Response(null, { status: 204 });
  });

  app.post('/_emulator/faults', async ({ req }) => {
    const added = [await body(req.raw)].flat().map((fault) => faults.schedule(fault as ScheduledFault));
    return json({ added: added.length }, 201);
  });
  app.delete('/_emulator/faults', ({ req }) => {
    faults.clear(selects(selection(req.query('key'))));
    return new Response(null, { status: 204 });
  });

  app.get('/_emulator/requests', ({ req }) => {
    const records = selection(req.query('key'));
    const entries = [...log.entries()];
    return json(
      records === undefined ? entries : entries.filter(({ keyId }) => records.some(({ id }) => id === keyId)),
    );
  });
  app.delete('/_emulator/requests', ({ req }) => {
    const records = selection(req.query('key'));
    log.clear(records && new Set(records.map(({ id }) => id)));
    return new Response(null, { status: 204 });
  });

  app.post('/_emulator/scenario', async ({ req }) => {
    const given = await body(req.raw);
    if (!isObject(given)) throw new AdminError(400, 'The scenario must be a JSON object.');
    for (const [field, value] of Object.entries(given)) {
      if (!SCENARIO_FIELDS.includes(field)) {
        throw new AdminError(
          400,
          `\`${field}\` cannot be changed while the emulator runs; a scenario here has ${SCENARIO_FIELDS.join(', ')}.`,
        );
      }
      if (!Array.isArray(value)) throw new AdminError(400, `\`${field}\` must be an array.`);
    }
    const scenario: Scenario = given;
    const created = (scenario.keys ?? []).map(create);
    for (const rule of scenario.rules ?? []) rules.add(rule);
    for (const fault of scenario.faults ?? []) faults.schedule(fault);
    return json({ keys: created }, 201);
  });
  app.post('/_emulator/reset', ({ req }) => {
    const records = selection(req.query('key'));
    if (records === undefined) reset();
    else {
      rules.clear(selects(records));
      faults.clear(selects(records));
      log.clear(new Set(records.map(({ id }) => id)));
      for (const record of records) record.usedTokens = 0n;
    }
    return new Response(null, { status: 204 });
  });

  app.notFound(() => json({ message: 'Not found. See docs/emulator.md for the endpoints.' }, 404));
  app.onError((error) => {
    if (error instanceof AdminError) return json({ message: error.message }, error.status);
    if (error instanceof RangeError) return json({ message: error.message }, 409);
    if (error instanceof TypeError) return json({ message: error.message }, 400);
    throw error;
  });

  return async (request) => {
    const page = await dashboard(request);
    if (page !== undefined) return page;
    const token = bearerToken(request);
    const response =
      token !== undefined && account.users.ownerToken.equals(token)
        ? await app.fetch(request)
        : json({ message: 'The access token is missing or invalid.' }, 401);
    response.headers.set('cache-control', 'no-store');
    return response;
  };
}

async function body(request: Request): Promise<unknown> {
  const value = parseJson(await request.text());
  if (!isObject(value) && !Array.isArray(value)) throw new AdminError(400, 'The body must be JSON.');
  return value;
}
