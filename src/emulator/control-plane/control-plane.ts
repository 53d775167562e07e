import { isWorkspace, type KeyRecord, type Scope, setQuota, type User } from '../account/key-registry.ts';
import type { Context, Exchange, Route } from '../context.ts';
import { bearerToken, isObject, json, notFound, parseJson, preferredLanguage } from '../http.ts';
import type { EmulatedOperation } from '../operation.ts';
import {
  invalidBody,
  invalidField,
  keyNotFound,
  limitReached,
  limitReason,
  unauthenticated,
} from './errors.ts';
import { keyMessage, selectPage, usageMessage, withoutZeros } from './messages.ts';
import {
  parseAccountKey,
  parsePageQuery,
  parseQuota,
  parseStatus,
  parseUsageQuery,
  parseUsageRequest,
  parseWorkspaceKey,
} from './requests.ts';

const ACCOUNT = '/apis/hydra.io/v1alpha1';
const WORKSPACE = `${ACCOUNT}/workspaces/:workspace`;

/** A request whose user and scope are known. */
interface ControlExchange extends Exchange {
  readonly user: User;
  readonly scope: Scope;
}

type Handler = (exchange: ControlExchange) => Response | Promise<Response>;

/** The API that manages keys. */
export function controlPlane({ settings, account }: Context): Route[] {
  const { now, maxKeys } = settings;
  const { keys, users, usage } = account;
  // Since 0.17 the service masks keys itself and shows a full key on request.
  const hasMaskedList = settings.version === '0.17';
  const plainForm = hasMaskedList ? 'masked' : 'full';

  const authenticate = (request: Request): User => {
    const token = bearerToken(request);
    const user = token === undefined ? undefined : users.withToken(token);
    if (user === undefined) throw unauthenticated(token);
    return user;
  };
  const known = ({ params, scope }: ControlExchange): KeyRecord => {
    const { id = '' } = params;
    const record = keys.find(id, scope);
    if (record === undefined) throw keyNotFound(id);
    return record;
  };
  const show = (record: KeyRecord, form: 'masked' | 'full'): Response =>
    json(keyMessage(record, now(), form));

  const create: Handler = async ({ request, user: owner, scope, fault }) => {
    const body = await jsonBody(request);
    const key = scope === 'account' ? parseAccountKey(body) : parseWorkspaceKey(body);
    if (keys.isFull(scope)) throw limitReached(maxKeys);
    return show(keys.create({ ...key, scope, owner }, fault), 'full');
  };
  const list =
    (form: 'masked' | 'full', selection: 'all' | 'mine' = 'all'): Handler =>
    ({ request, user, scope, fault }) => {
      const query = parsePageQuery(new URL(request.url).searchParams);
      const records = keys.list(scope, fault.listLagMs);
      const selected = selection === 'mine' ? records.filter(({ owner }) => owner.id === user.id) : records;
      const { items, total } = selectPage(selected, query);
      return json(
        withoutZeros({
          items: items.map((key) => keyMessage(key, now(), form)),
          page: withoutZeros({ ...query, total }),
        }),
      );
    };
  const checkCreation: Handler = async ({ request, scope }) => {
    await jsonBody(request);
    if (!keys.isFull(scope)) return json({ allowed: true });
    return json({ allowed: false, reason: limitReason(maxKeys)[preferredLanguage(request)] });
  };
  const remove: Handler = async (exchange) => {
    await jsonBody(exchange.request);
    const record = known(exchange);
    keys.delete(record, exchange.fault);
    return show(record, 'masked');
  };
  const changeStatus: Handler = async (exchange) => {
    const disabled = parseStatus(await jsonBody(exchange.request));
    const record = known(exchange);
    record.disabled = disabled;
    return show(record, 'masked');
  };
  const changeQuota: Handler = async (exchange) => {
    const quota = parseQuota(await jsonBody(exchange.request));
    const record = known(exchange);
    setQuota(record, quota, now());
    return show(record, 'masked');
  };
  const reveal: Handler = (exchange) => {
    const { id, secret } = known(exchange);
    return json({ id, key: secret.reveal() });
  };
  const report: Handler = async ({ request, scope }) => {
    const query =
      request.method === 'GET'
        ? parseUsageQuery(new URL(request.url).searchParams)
        : parseUsageRequest(await jsonBody(request));
    return json(
      usageMessage(
        usage.entries().filter((entry) => entry.scope === scope),
        query,
      ),
    );
  };

  const route = (
    method: Route['method'],
    path: string,
    operation: EmulatedOperation,
    handler: Handler,
  ): Route => ({
    method,
    path,
    operation,
    // Authentication comes first, for unknown paths too: a stranger does not learn what exists.
    handle: (exchange) => {
      const user = authenticate(exchange.request);
      return handler({ ...exchange, user, scope: scopeOf(exchange) });
    },
  });
  const shared = (prefix: string): Route[] => [
    route('GET', `${prefix}/apikeys`, 'list', list(plainForm)),
    route('POST', `${prefix}/apikeys`, 'create', create),
    route('DELETE', `${prefix}/apikeys/:id`, 'delete', remove),
    route('POST', `${prefix}/apikeys-stats`, 'usage', report),
    route('GET', `${prefix}/apikeys-stats`, 'usage', report),
    ...(hasMaskedList
      ? [
          route('GET', `${prefix}/masked-apikeys`, 'list', list('masked')),
          route('GET', `${prefix}/apikeys/:id/secret`, 'reveal', reveal),
        ]
      : []),
  ];
  const routes = [
    // A fixed path comes before a pattern that matches it too.
    route('POST', `${ACCOUNT}/apikeys/check-creation`, 'checkCreation', checkCreation),
    ...shared(ACCOUNT),
    route('GET', `${WORKSPACE}/my-apikeys`, 'listMine', list(plainForm, 'mine')),
    route('PUT', `${WORKSPACE}/apikeys/:id/status`, 'setStatus', changeStatus),
    route('PUT', `${WORKSPACE}/apikeys/:id/quota`, 'setQuota', changeQuota),
    ...shared(WORKSPACE),
  ];

  const paths = [...new Set(routes.map(({ path }) => path))];
  const methodNotAllowed = paths.map((path): Route => {
    const allowed = routes.filter((each) => each.path === path).map(({ method }) => method);
    return {
      method: 'ALL',
      path,
      handle: ({ request }) => {
        authenticate(request);
        const headers = { 'content-type': 'text/plain; charset=utf-8', allow: allowed.join(', ') };
        return new Response('Method Not Allowed\n', { status: 405, headers });
      },
    };
  });
  const unknownPath: Route = {
    method: 'ALL',
    path: '/apis/*',
    handle: ({ request }) => {
      authenticate(request);
      return notFound();
    },
  };
  return [...routes, ...methodNotAllowed, unknownPath];
}

/** Every workspace with a valid number exists: the contract has no request that creates one. */
function scopeOf({ params: { workspace } }: Exchange): Scope {
  if (workspace === undefined) return 'account';
  const number = /^\d+$/.test(workspace) ? Number(workspace) : Number.NaN;
  if (!isWorkspace(number)) throw invalidField('workspace');
  return number;
}

async function jsonBody(request: Request): Promise<Record<string, unknown>> {
  const body = parseJson(await request.text());
  if (!isObject(body)) throw invalidBody();
  return body;
}
