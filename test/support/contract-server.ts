import { expect, onTestFinished } from 'vitest';
import { type ContractOperation, OPERATIONS, type Version, violations } from './contract.ts';

const ROOT = '/apis/hydra.io/v1alpha1';

type Scope = 'account' | number;

/** A key as the server stores it. */
export interface StoredKey {
  readonly id: string;
  readonly scope: Scope;
  readonly name: string;
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly expireTime?: string | undefined;
  readonly lastUsedAt?: number | undefined;
  readonly owner: string;
  readonly disabled: boolean;
  readonly quota: bigint;
  readonly usedQuota: bigint;
  readonly unlimitedQuota: boolean;
}

export interface ContractServerOptions {
  readonly version?: Version;
  /** Maximum number of keys per account. */
  readonly maxKeys?: number;
  /** The server's clock in milliseconds since 1970. Default: always 2026-03-01T08:00:00.400Z. */
  readonly now?: () => number;
  /** Whether creation times are truncated to seconds. Default: true. */
  readonly wholeSeconds?: boolean;
  /** Default: newest first. */
  readonly order?: 'newest first' | 'oldest first' | 'by id';
}

/** A request that the server accepted. */
export interface AcceptedRequest {
  readonly operation: string;
  readonly scope: Scope;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** A strict double of the control plane: it follows the contract and rejects requests that violate it. */
export class ContractServer {
  readonly requests: AcceptedRequest[] = [];
  readonly violations: string[] = [];
  /** Requests to paths that the server does not have: method and path. */
  readonly missingPaths: string[] = [];
  /** The response to `apikeys-stats`. */
  statistics: unknown = {};
  keys: StoredKey[] = [];
  readonly #options: Required<ContractServerOptions>;
  #count = 0;

  constructor(options: ContractServerOptions = {}) {
    this.#options = {
      version: '0.17',
      maxKeys: 5,
      now: () => Date.parse('2026-03-01T08:00:00.400Z'),
      wholeSeconds: true,
      order: 'newest first',
      ...options,
    };
  }

  /** Names of the requested operations, in order. */
  get operations(): string[] {
    return this.requests.map(({ operation }) => operation);
  }

  /** Replaces the global `fetch`. */
  readonly fetch = async (input: string, init: RequestInit): Promise<Response> => {
    init.signal?.throwIfAborted();
    return this.respond(new Request(input, init));
  };

  async respond(request: Request): Promise<Response> {
    const response = await this.#route(request);
    response.headers.set('date', new Date(this.#options.now()).toUTCString());
    return response;
  }

  /** Adds a key, as if another client had created it. */
  add(fields: Partial<StoredKey> = {}): StoredKey {
    const number = ++this.#count;
    const key: StoredKey = {
      id: `key-${String(number).padStart(5, '0')}`,
      scope: 'account',
      name: `name-${number}`,
      key: fullKey(number),
      createdAt: this.#options.now(),
      owner: 'me',
      disabled: false,
      quota: 0n,
      usedQuota: 0n,
      unlimitedQuota: false,
      ...fields,
    };
    this.keys.push(key);
    return key;
  }

  remove(id: string): void {
    this.keys = this.keys.filter((key) => key.id !== id);
  }

  change(id: string, fields: Partial<StoredKey>): void {
    this.keys = this.keys.map((key) => (key.id === id ? { ...key, ...fields } : key));
  }

  async #route(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const [, workspace, path = ''] =
      /^\/apis\/hydra\.io\/v1alpha1(?:\/workspaces\/(\d+))?(\/.*)$/.exec(url.pathname) ?? [];
    const scope: Scope = workspace === undefined ? 'account' : Number(workspace);
    const kind = workspace === undefined ? 'account' : 'workspace';
    const known = OPERATIONS.filter(
      (one) =>
        one.scopes.includes(kind) && one.since <= this.#options.version && pattern(one.path).test(path),
    ).toSorted((a, b) => Number(a.path.includes('{')) - Number(b.path.includes('{')));
    if (known.length === 0) {
      this.missingPaths.push(`${request.method} ${url.pathname.slice(ROOT.length)}`);
      return new Response('404 page not found\n', { status: 404 });
    }
    const operation = known.find(({ method }) => method === request.method);
    if (operation === undefined) return new Response('Method Not Allowed\n', { status: 405 });
    const text = await request.text();
    const found = violations(operation, url, text, request.headers);
    if (found.length > 0) {
      this.violations.push(...found.map((what) => `${request.method} ${url.pathname}: ${what}`));
      return errorResponse(400, 'InvalidArgument', found.join('; '));
    }
    const [, id = ''] = pattern(operation.path).exec(path) ?? [];
    const body = text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>);
    this.requests.push({
      operation: operation.name,
      scope,
      path: url.pathname.slice(ROOT.length),
      query: Object.fromEntries(url.searchParams),
      body,
    });
    return this.#execute(operation, scope, decodeURIComponent(id), body ?? {}, url.searchParams);
  }

  #execute(
    { name }: ContractOperation,
    scope: Scope,
    id: string,
    body: Record<string, unknown>,
    query: URLSearchParams,
  ): Response {
    const keys = this.keys.filter((key) => key.scope === scope);
    const isMasking = this.#options.version === '0.17';
    switch (name) {
      case 'create':
        return this.#create(scope, keys, body);
      case 'list':
        return this.#list(keys, query, isMasking ? 'masked' : 'full');
      case 'masked list':
        return this.#list(keys, query, 'masked');
      case 'own list':
        return this.#list(
          keys.filter(({ owner }) => owner === 'me'),
          query,
          isMasking ? 'masked' : 'full',
        );
      case 'check creation':
        return keys.length < this.#options.maxKeys
          ? json({ allowed: true })
          : json({ reason: `at most ${this.#options.maxKeys}` });
      case 'statistics':
        return json(this.statistics);
    }
    const key = keys.find((one) => one.id === id);
    if (key === undefined) return errorResponse(404, 'APIKeyNotFound', 'API key not found');
    switch (name) {
      case 'secret':
        return json({ id, key: key.key });
      case 'delete':
        this.remove(id);
        return json(this.#message(key, 'masked'));
      case 'status':
        this.change(id, { disabled: body.disabled === true });
        break;
      case 'quota':
        this.change(id, quotaOf(body));
    }
    const changed = this.keys.find((one) => one.id === id) ?? key;
    return json(this.#message(changed, 'masked'));
  }

  #create(scope: Scope, keys: readonly StoredKey[], body: Record<string, unknown>): Response {
    if (!body.name) return errorResponse(400, 'InvalidArgument', 'name is required');
    if (scope === 'account' && keys.length >= this.#options.maxKeys) {
      return errorResponse(400, 'SomethingUndocumented', 'no more keys');
    }
    const created = this.add({
      scope,
      name: String(body.name),
      expireTime: body.expireTime === undefined ? undefined : String(body.expireTime),
      ...quotaOf(body),
    });
    return json(this.#message(created, 'full'));
  }

  #list(keys: readonly StoredKey[], query: URLSearchParams, showing: 'masked' | 'full'): Response {
    const search = query.get('page.search') ?? '';
    const page = Number(query.get('page.page') ?? 0) || 1;
    const requested = Number(query.get('page.pageSize') ?? 0) || 10;
    const found = keys.filter(({ id, name, key }) => [id, name, key].some((text) => text.includes(search)));
    const sorted = this.#sorted(found, query.get('page.sort'));
    const pageSize = requested === -1 ? Math.max(1, sorted.length) : requested;
    const items = sorted.slice((page - 1) * pageSize, page * pageSize);
    return json({
      ...(items.length > 0 && { items: items.map((key) => this.#message(key, showing)) }),
      page: withoutZeros({
        page,
        pageSize: requested,
        total: found.length,
        search,
        sort: query.get('page.sort') ?? '',
      }),
    });
  }

  #sorted(keys: readonly StoredKey[], sort: string | null): StoredKey[] {
    if (sort === 'id' || (sort === null && this.#options.order === 'by id')) {
      return keys.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    }
    if (sort === 'name') return keys.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    return this.#options.order === 'oldest first' ? [...keys] : keys.toReversed();
  }

  #message(key: StoredKey, showing: 'masked' | 'full'): Record<string, unknown> {
    const { id, scope, name, owner, disabled, expireTime, quota, usedQuota, unlimitedQuota } = key;
    const createdAt = this.#options.wholeSeconds ? Math.floor(key.createdAt / 1000) * 1000 : key.createdAt;
    const remaining = quota > usedQuota ? quota - usedQuota : 0n;
    return withoutZeros({
      id,
      name,
      key: showing === 'full' ? key.key : `sk-******${key.key.slice(-4)}`,
      creationTimestamp: wireTime(createdAt),
      expireTime: expireTime ?? '',
      expired: expireTime !== undefined && Date.parse(expireTime) <= this.#options.now(),
      disabled,
      lastUsedTime: key.lastUsedAt === undefined ? '' : wireTime(key.lastUsedAt),
      createBy: owner,
      workspace: scope === 'account' ? 0 : scope,
      ...(scope !== 'account' && {
        quota: String(quota),
        usedQuota: String(usedQuota),
        remainingQuota: String(unlimitedQuota ? 0n : remaining),
        unlimitedQuota,
      }),
    });
  }
}

/** A contract server for one test, which fails if any request violates the contract. */
export function serveContract(options?: ContractServerOptions): ContractServer {
  const server = new ContractServer(options);
  onTestFinished(() => expect(server.violations, 'violations of the contract').toEqual([]));
  return server;
}

/** A key that looks like those of d.run. */
function fullKey(number: number): string {
  return `sk-${'Ux0kZv8mC1rT3qWn5bYd7fHj9LgPs2aE4iX6uN7'.slice(0, 37)}${String(number).padStart(8, '0')}`;
}

function pattern(path: string): RegExp {
  return new RegExp(`^${path.replace('{id}', '([^/]+)')}$`);
}

function quotaOf(body: Record<string, unknown>): Pick<StoredKey, 'quota' | 'unlimitedQuota'> {
  return { quota: BigInt(String(body.quota ?? '0')), unlimitedQuota: body.unlimitedQuota === true };
}

function wireTime(time: number): string {
  return new Date(time).toISOString().replace('.000Z', 'Z');
}

/** Protobuf JSON leaves out zero values. */
function withoutZeros(message: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(message).filter(([, value]) => ![0, '', '0', false, undefined].includes(value as never)),
  );
}

function json(body: unknown, status = 200): Response {
  return Response.json(body, { status });
}

function errorResponse(status: number, id: string, message: string): Response {
  return json({ id, message }, status);
}
