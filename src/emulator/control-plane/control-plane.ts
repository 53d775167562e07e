import type { Hono } from 'hono/tiny';
import { isRecord, parseJson } from '../../internal/json.ts';
import { isWorkspace, type KeyRecord, OWNER, type Scope } from '../account.ts';
import type { Context, Env, Exchange, Middleware, Operate } from '../context.ts';
import { bearerToken, json, notFound, preferredLanguage } from '../http.ts';
import * as errors from './errors.ts';
import { keyMessage, selectPage, usageMessage, withoutZeros } from './messages.ts';
import * as requests from './requests.ts';

const ACCOUNT = '/apis/hydra.io/v1alpha1';
const WORKSPACE = `${ACCOUNT}/workspaces/:workspace`;

type Handler = (exchange: Exchange) => Response | Promise<Response>;

/** Adds the API for managing keys. */
export function controlPlane(app: Hono<Env>, operate: Operate, { settings, account }: Context): void {
  const { now, maxKeys } = settings;
  // Since version 0.17 of the service, lists contain masked keys, and a separate endpoint returns the full key.
  const hasMaskedList = settings.version === '0.17';
  const plainForm = hasMaskedList ? 'masked' : 'full';

  /** Also authenticates requests for unknown paths, so that unauthenticated clients do not learn which paths exist. */
  const authenticate: Middleware = async (c, next) => {
    const token = bearerToken(c.req.raw);
    if (token === undefined || !account.token.equals(token)) throw errors.unauthenticated(token);
    c.set('scope', scopeOf(c.req.param('workspace')));
    await next();
  };
  const known = (c: Exchange): KeyRecord => {
    const id = c.req.param('id') ?? '';
    const record = account.find(id, c.get('scope'));
    if (record === undefined) throw errors.keyNotFound(id);
    return record;
  };
  const show = (record: KeyRecord, form: 'masked' | 'full' = 'masked'): Response =>
    json(keyMessage(record, now(), form));

  const create: Handler = async (c) => {
    const scope = c.get('scope');
    const key = requests.parseKey(await jsonBody(c), scope);
    if (account.isFull(scope)) throw errors.limitReached(maxKeys);
    const { acceptedAfterMs } = c.get('fault');
    return show(account.create({ ...key, scope, acceptedAfterMs }), 'full');
  };
  const list =
    (form: 'masked' | 'full', isMine = false): Handler =>
    (c) => {
      const query = requests.parsePageQuery(new URL(c.req.url).searchParams);
      const records = account.list(c.get('scope'));
      const selected = isMine ? records.filter(({ createdBy }) => createdBy === OWNER) : records;
      const { items, total } = selectPage(selected, query);
      const shown = items.map((key) => keyMessage(key, now(), form));
      return json(withoutZeros({ items: shown, page: withoutZeros({ ...query, total }) }));
    };
  const checkCreation: Handler = async (c) => {
    await jsonBody(c);
    if (!account.isFull(c.get('scope'))) return json({ allowed: true });
    return json({ allowed: false, reason: errors.limitReason(maxKeys)[preferredLanguage(c.req.raw)] });
  };
  const remove: Handler = async (c) => {
    await jsonBody(c);
    const record = known(c);
    account.delete(record, c.get('fault').acceptedForMs);
    return show(record);
  };
  const update =
    (changesOf: (body: Record<string, unknown>) => Partial<KeyRecord>): Handler =>
    async (c) => {
      const changes = changesOf(await jsonBody(c));
      return show(Object.assign(known(c), changes));
    };
  const reveal: Handler = (c) => {
    const { id, secret } = known(c);
    return json({ id, key: secret.reveal() });
  };
  const report: Handler = async (c) => {
    const query = new URL(c.req.url).searchParams;
    const request = c.req.method === 'GET' ? requests.usageBody(query) : await jsonBody(c);
    return json(usageMessage(account.usage(c.get('scope')), requests.parseUsageRequest(request)));
  };

  const route = (method: string, path: string, operation: Parameters<Operate>[0], handler: Handler): void => {
    app.on(method, path, operate(operation), authenticate, handler);
  };
  // Register fixed paths before patterns that also match them.
  route('POST', `${ACCOUNT}/apikeys/check-creation`, 'checkCreation', checkCreation);
  route('GET', `${WORKSPACE}/my-apikeys`, 'listMine', list(plainForm, true));
  route('PUT', `${WORKSPACE}/apikeys/:id/status`, 'setStatus', update(requests.parseStatus));
  route('PUT', `${WORKSPACE}/apikeys/:id/quota`, 'setQuota', update(requests.parseQuota));
  for (const prefix of [ACCOUNT, WORKSPACE]) {
    route('GET', `${prefix}/apikeys`, 'list', list(plainForm));
    route('POST', `${prefix}/apikeys`, 'create', create);
    route('DELETE', `${prefix}/apikeys/:id`, 'delete', remove);
    route('POST', `${prefix}/apikeys-stats`, 'usage', report);
    route('GET', `${prefix}/apikeys-stats`, 'usage', report);
    if (!hasMaskedList) continue;
    route('GET', `${prefix}/masked-apikeys`, 'list', list('masked'));
    route('GET', `${prefix}/apikeys/:id/secret`, 'reveal', reveal);
  }
  app.all('/apis/*', operate(), authenticate, ({ env: { log } }) => {
    log.add({ reason: `Version ${settings.version} has no endpoint at this path.` });
    return notFound();
  });
}

/** Accepts every valid workspace number, because the API contract has no endpoint that creates workspaces. */
function scopeOf(workspace: string | undefined): Scope {
  if (workspace === undefined) return 'account';
  const number = /^\d+$/.test(workspace) ? Number(workspace) : Number.NaN;
  if (!isWorkspace(number)) throw errors.invalidField('workspace');
  return number;
}

async function jsonBody({ req }: Exchange): Promise<Record<string, unknown>> {
  const body = parseJson(await req.raw.text());
  if (!isRecord(body)) throw errors.invalidBody();
  return body;
}
