/*
 * The control plane's contract for requests, independent of the package: the operations of both scopes, the names and
 * types of their parameters, and whether they require a body.
 */

export type Version = '0.15' | '0.17';

type FieldType = 'string' | 'boolean' | 'int64' | 'date-time' | 'strings' | 'period';
type ParameterType = 'string' | 'int32' | 'int64';

export interface ContractOperation {
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the scope: `/apikeys/{id}`. */
  readonly path: string;
  readonly scopes: readonly ('account' | 'workspace')[];
  readonly since: Version;
  readonly query?: Readonly<Record<string, ParameterType>>;
  /** Fields of the body, which is required if it is listed here. */
  readonly body?: Readonly<Record<string, FieldType>>;
}

const both = ['account', 'workspace'] as const;
const pages = {
  'page.total': 'int64',
  'page.page': 'int32',
  'page.pageSize': 'int32',
  'page.sort': 'string',
  'page.search': 'string',
} as const;

export const OPERATIONS: readonly ContractOperation[] = [
  {
    name: 'create',
    method: 'POST',
    path: '/apikeys',
    scopes: ['account'],
    since: '0.15',
    body: { name: 'string', expireTime: 'date-time' },
  },
  {
    name: 'create',
    method: 'POST',
    path: '/apikeys',
    scopes: ['workspace'],
    since: '0.15',
    body: { name: 'string', expireTime: 'date-time', quota: 'int64', unlimitedQuota: 'boolean' },
  },
  { name: 'list', method: 'GET', path: '/apikeys', scopes: both, since: '0.15', query: pages },
  { name: 'masked list', method: 'GET', path: '/masked-apikeys', scopes: both, since: '0.17', query: pages },
  {
    name: 'own list',
    method: 'GET',
    path: '/my-apikeys',
    scopes: ['workspace'],
    since: '0.15',
    query: pages,
  },
  { name: 'secret', method: 'GET', path: '/apikeys/{id}/secret', scopes: both, since: '0.17' },
  { name: 'delete', method: 'DELETE', path: '/apikeys/{id}', scopes: both, since: '0.15', body: {} },
  {
    name: 'check creation',
    method: 'POST',
    path: '/apikeys/check-creation',
    scopes: ['account'],
    since: '0.15',
    body: {},
  },
  {
    name: 'status',
    method: 'PUT',
    path: '/apikeys/{id}/status',
    scopes: ['workspace'],
    since: '0.15',
    body: { disabled: 'boolean' },
  },
  {
    name: 'quota',
    method: 'PUT',
    path: '/apikeys/{id}/quota',
    scopes: ['workspace'],
    since: '0.15',
    body: { quota: 'int64', unlimitedQuota: 'boolean' },
  },
  {
    name: 'statistics',
    method: 'POST',
    path: '/apikeys-stats',
    scopes: both,
    since: '0.15',
    body: {
      startTime: 'date-time',
      endTime: 'date-time',
      ids: 'strings',
      models: 'strings',
      period: 'period',
    },
  },
];

const PERIODS = ['UNSPECIFIED', 'HOUR', 'DAY', 'WEEK', 'MONTH'].map((period) => `TIME_PERIOD_${period}`);

const isInteger = (text: unknown, bits: number): boolean =>
  typeof text === 'string' &&
  /^-?\d+$/.test(text) &&
  BigInt(text) >= -(2n ** BigInt(bits - 1)) &&
  BigInt(text) < 2n ** BigInt(bits - 1);

const TYPES: Readonly<Record<FieldType | ParameterType, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  int32: (value) => isInteger(value, 32),
  int64: (value) => isInteger(value, 64),
  'date-time': (value) =>
    typeof value === 'string' &&
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value) &&
    !Number.isNaN(Date.parse(value)),
  strings: (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
  period: (value) => PERIODS.includes(String(value)),
};

/** Lists how a request violates the contract. */
export function violations(operation: ContractOperation, url: URL, text: string, headers: Headers): string[] {
  const found: string[] = [];
  const seen = new Set<string>();
  for (const [name, value] of url.searchParams) {
    const type = operation.query?.[name];
    if (type === undefined) found.push(`unknown parameter ${name}`);
    else if (!TYPES[type](value)) found.push(`the parameter ${name} is not a ${type}`);
    if (seen.has(name)) found.push(`the parameter ${name} is repeated`);
    seen.add(name);
  }
  if (!/^Bearer \S+$/.test(headers.get('authorization') ?? '')) found.push('no bearer token');
  if (operation.body === undefined) return text === '' ? found : [...found, 'unexpected body'];
  if (!/^application\/json\b/.test(headers.get('content-type') ?? '')) found.push('the body is not JSON');
  const body = parsed(text);
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return [...found, 'the body is missing'];
  for (const [name, value] of Object.entries(body)) {
    const type = operation.body[name];
    if (type === undefined) found.push(`unknown field ${name}`);
    else if (!TYPES[type](value)) found.push(`the field ${name} is not a ${type}`);
  }
  return found;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
