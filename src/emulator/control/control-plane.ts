import type { Call } from '../call.ts';
import { bearerToken, json, jsonObject } from '../http.ts';
import { isWorkspace, type KeyRecord, type Scope, setQuota } from '../keys/key-record.ts';
import type { User } from '../keys/users.ts';
import { languageOf } from '../language.ts';
import type { EmulatedOperation } from '../operation.ts';
import type { Route } from '../router.ts';
import type { Service } from '../service.ts';
import {
  invalidBody,
  invalidField,
  keyNotFound,
  limitReached,
  limitReason,
  unauthenticated,
} from './control-errors.ts';
import { keyMessage } from './key-message.ts';
import { readAccountKey, readQuota, readStatus, readWorkspaceKey } from './key-requests.ts';
import { selectPage } from './page.ts';
import { readPageQuery } from './page-query.ts';
import { withoutZeros } from './protobuf-json.ts';
import { readUsageQuery, readUsageRequest } from './usage-query.ts';
import { usageReport } from './usage-report.ts';

const BASE_PATH = '/apis/hydra.io/v1alpha1';

/** A request whose sender and scope are known. */
interface ControlCall extends Call {
  readonly user: User;
  readonly scope: Scope;
}

type Handler = (call: ControlCall) => Response | Promise<Response>;

/** The API that manages keys. */
export class ControlPlane {
  readonly routes: readonly Route[];
  readonly #service: Service;

  constructor(service: Service) {
    this.#service = service;
    this.routes = [...this.#accountRoutes(), ...this.#workspaceRoutes()];
  }

  /**
   * Who sent the request. Asked before anything else, for unknown paths too: a stranger does not learn what there is.
   *
   * @throws Refusal where nobody did who may.
   */
  admit(request: Request): User {
    const token = bearerToken(request);
    const user = token === undefined ? undefined : this.#service.users.withToken(token);
    if (user === undefined) throw unauthenticated(token);
    return user;
  }

  /** A fixed path comes before a pattern that fits it too. */
  #accountRoutes(): Route[] {
    const prefix = BASE_PATH;
    return [
      this.#route('POST', `${prefix}/apikeys/check-creation`, 'checkCreation', this.#checkCreation),
      ...this.#sharedRoutes(prefix),
    ];
  }

  #workspaceRoutes(): Route[] {
    const prefix = `${BASE_PATH}/workspaces/:workspace`;
    return [
      this.#route('GET', `${prefix}/my-apikeys`, 'listMine', this.#list(this.#plainlyShown, 'mine')),
      this.#route('PUT', `${prefix}/apikeys/:id/status`, 'setStatus', this.#setStatus),
      this.#route('PUT', `${prefix}/apikeys/:id/quota`, 'setQuota', this.#setQuota),
      ...this.#sharedRoutes(prefix),
    ];
  }

  #sharedRoutes(prefix: string): Route[] {
    return [
      this.#route('GET', `${prefix}/apikeys`, 'list', this.#list(this.#plainlyShown)),
      this.#route('POST', `${prefix}/apikeys`, 'create', this.#create),
      this.#route('DELETE', `${prefix}/apikeys/:id`, 'delete', this.#delete),
      this.#route('POST', `${prefix}/apikeys-stats`, 'usage', this.#usage),
      this.#route('GET', `${prefix}/apikeys-stats`, 'usage', this.#usage),
      ...(this.#masks
        ? [
            this.#route('GET', `${prefix}/masked-apikeys`, 'list', this.#list('masked')),
            this.#route('GET', `${prefix}/apikeys/:id/secret`, 'reveal', this.#reveal),
          ]
        : []),
    ];
  }

  #route(method: Route['method'], path: string, operation: EmulatedOperation, handler: Handler): Route {
    return {
      method,
      path,
      operation,
      answer: (call) => {
        const user = this.admit(call.request);
        return handler({ ...call, user, scope: scopeOf(call) });
      },
    };
  }

  /** Since 0.17 the server masks keys itself, and shows a whole one where it is asked for that. */
  get #masks(): boolean {
    return this.#service.settings.version === '0.17';
  }

  /** How keys are shown on the lists that every version has. */
  get #plainlyShown(): 'masked' | 'whole' {
    return this.#masks ? 'masked' : 'whole';
  }

  readonly #create: Handler = async ({ request, user: owner, scope, effects }) => {
    const body = await requireObject(request);
    const key = scope === 'account' ? readAccountKey(body) : readWorkspaceKey(body);
    const { settings, vault } = this.#service;
    if (vault.isFull(scope)) throw limitReached(settings.maxKeys);
    return this.#answer(vault.create({ ...key, scope, owner }, effects), 'whole');
  };

  #list(showing: 'masked' | 'whole', whose?: 'mine'): Handler {
    return ({ request, user, scope, effects }) => {
      const { settings, vault } = this.#service;
      const query = readPageQuery(new URL(request.url).searchParams);
      const keys = vault.keys(scope, effects.listLagMs);
      const wanted = whose === 'mine' ? keys.filter(({ owner }) => owner.id === user.id) : keys;
      const { items, total } = selectPage(wanted, query);
      const now = settings.now();
      return json(
        withoutZeros({
          items: items.map((key) => keyMessage(key, now, showing)),
          page: withoutZeros({ ...query, total }),
        }),
      );
    };
  }

  readonly #checkCreation: Handler = async ({ request, scope }) => {
    await requireObject(request);
    const { settings, vault } = this.#service;
    if (!vault.isFull(scope)) return json({ allowed: true });
    return json({ allowed: false, reason: limitReason(settings.maxKeys)[languageOf(request)] });
  };

  readonly #delete: Handler = async (call) => {
    await requireObject(call.request);
    const record = this.#known(call);
    this.#service.vault.delete(record, call.effects);
    return this.#answer(record, 'masked');
  };

  readonly #setStatus: Handler = async (call) => {
    const disabled = readStatus(await requireObject(call.request));
    const record = this.#known(call);
    record.disabled = disabled;
    return this.#answer(record, 'masked');
  };

  readonly #setQuota: Handler = async (call) => {
    const quota = readQuota(await requireObject(call.request));
    const record = this.#known(call);
    setQuota(record, quota, this.#service.settings.now());
    return this.#answer(record, 'masked');
  };

  readonly #reveal: Handler = (call) => {
    const { id, secret } = this.#known(call);
    return json({ id, key: secret.reveal() });
  };

  readonly #usage: Handler = async ({ request, scope }) => {
    const query =
      request.method === 'GET'
        ? readUsageQuery(new URL(request.url).searchParams)
        : readUsageRequest(await requireObject(request));
    const entries = this.#service.ledger.entries().filter((entry) => entry.scope === scope);
    return json(usageReport(entries, query));
  };

  #known({ params, scope }: ControlCall): KeyRecord {
    const { id = '' } = params;
    const record = this.#service.vault.find(id, scope);
    if (record === undefined) throw keyNotFound(id);
    return record;
  }

  #answer(record: KeyRecord, showing: 'masked' | 'whole'): Response {
    return json(keyMessage(record, this.#service.settings.now(), showing));
  }
}

/** Every workspace with a possible number is there: the contract has no way to make one. */
function scopeOf({ params: { workspace } }: Call): Scope {
  if (workspace === undefined) return 'account';
  const number = /^\d+$/.test(workspace) ? Number(workspace) : Number.NaN;
  if (!isWorkspace(number)) throw invalidField('workspace');
  return number;
}

async function requireObject(request: Request): Promise<Record<string, unknown>> {
  const body = await jsonObject(request);
  if (body === undefined) throw invalidBody();
  return body;
}
