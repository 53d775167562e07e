import type * as z from 'zod/mini';
import { ApiError, ConfigurationError, NotFoundError } from '../errors/index.ts';
import type { Endpoint } from '../http/client.ts';
import { invalidResponse, type ResponseContext } from '../http/errors.ts';
import { checkOptions } from '../http/options.ts';
import { type BodyRules, checkShape, readJson } from '../http/response.ts';
import type { ResponseHeaders, TransportResponse } from '../http/transport.ts';
import { checkPathSegment } from '../http/url.ts';
import { isDate } from '../internal/checks.ts';
import type { Secret } from '../secret/secret.ts';
import type {
  ApiKey,
  ApiKeyPage,
  ApiKeyUsage,
  ApiKeyUsageQuery,
  CreateApiKeyInput,
  CreateWorkspaceApiKeyInput,
  CreationCheck,
  DeletedApiKey,
  ListApiKeysQuery,
} from './types.ts';

/*
 * The operations of the control plane, as data. Paths are relative to the account or workspace. Each function throws
 * ConfigurationError if an argument cannot be used.
 */

/** A page as the service describes it: `total` may be missing. */
export interface ListedPage extends Omit<ApiKeyPage, 'total'> {
  readonly total: number | undefined;
}

/** Page size of a query for all keys at once. */
export const ALL: unique symbol = Symbol('all');

/** A query for one page. */
export interface PageQuery extends Omit<ListApiKeysQuery, 'pageSize'> {
  readonly pageSize?: number | typeof ALL | undefined;
}

/** All keys of the account or workspace, masked by the service or not; or the caller's own. */
export type ListPath = '/masked-apikeys' | '/apikeys' | '/my-apikeys';

/** Statuses that routers send for a path that they do not have, with a body of their own. */
const MISSING_PATH_STATUSES: readonly number[] = [404, 405, 501];

/** Whether an error may mean that the server does not have the path. */
export function isMissingPath(error: unknown): error is ApiError {
  return error instanceof ApiError && MISSING_PATH_STATUSES.includes(error.status);
}

const KEY_FIELDS = ['id', 'name', 'key'];

export function createEndpoint(body: CreateBody, onSend: () => void): Endpoint<CreateResult> {
  return {
    method: 'POST',
    path: '/apikeys',
    body,
    retry: 'if-not-applied',
    onSend,
    decode: decodeWith({ fields: KEY_FIELDS }, (schemas) => schemas.createdApiKey),
  };
}

/** What create returned; without `secret` if the response did not have the full key. */
export interface CreateResult {
  readonly key: ApiKey;
  readonly secret: Secret | undefined;
}

export function listEndpoint(path: ListPath, query: PageQuery): Endpoint<ListedPage> {
  checkOptions(query, ['search', 'sort', 'page', 'pageSize'], 'The query of list()');
  return {
    method: 'GET',
    path,
    query: listParams(query),
    retry: 'transient',
    finalStatuses: MISSING_PATH_STATUSES,
    decode: decodeWith(
      { fields: ['items', 'page'], allowEmpty: true },
      (schemas) => schemas.apiKeyPage,
      ({ items, page, pageSize, total }, { headers }) => {
        const servedAt = serviceTime(headers);
        return {
          items,
          page: page || (query.page ?? 1),
          pageSize: pageSize || (typeof query.pageSize === 'number' ? query.pageSize : items.length),
          // protobuf leaves out zeros: without a total there are no keys, or the service does not count them.
          total: total || (items.length > 0 ? undefined : 0),
          ...(servedAt && { servedAt }),
        };
      },
    ),
  };
}

/** The service's time when it sent a response; a cache adds the response's age. */
function serviceTime(headers: ResponseHeaders): Date | undefined {
  const date = Date.parse(headers.get('date') ?? '');
  const age = headers.get('age') ?? '';
  return Number.isNaN(date) ? undefined : new Date(date + (/^\d{1,9}$/.test(age) ? Number(age) * 1_000 : 0));
}

export function deleteEndpoint(id: string): Endpoint<DeletedApiKey> {
  return {
    method: 'DELETE',
    path: '/apikeys/{id}',
    params: { id: checkPathSegment(id, 'id') },
    // The contract requires a body.
    body: {},
    retry: 'transient',
    recover: (error, { mayHaveBeenApplied }) =>
      mayHaveBeenApplied && error instanceof NotFoundError ? { id } : undefined,
    decode: decodeWith(
      { fields: [...KEY_FIELDS, 'creationTimestamp'], allowEmpty: true },
      (schemas) => schemas.deletedApiKey,
      (deleted, response, context) => {
        if (deleted.id) requireSameId(deleted.id, id, response, context);
        return { ...deleted.key, id };
      },
    ),
  };
}

/** @param isSupported - Whether the server has this endpoint, if that is known. */
export function secretEndpoint(id: string, isSupported: boolean | undefined): Endpoint<Secret> {
  return {
    method: 'GET',
    path: '/apikeys/{id}/secret',
    params: { id: checkPathSegment(id, 'id') },
    retry: 'transient',
    finalStatuses: MISSING_PATH_STATUSES,
    recover: (error) => {
      if (isSupported || !isMissingPath(error)) return undefined;
      const reason = isSupported === undefined ? 'The key does not exist, or the server is' : 'The server is';
      throw new NotFoundError(
        `${error.message} ${reason} older than version 0.17 and cannot show keys again.`,
        error,
      );
    },
    decode: decodeWith(
      { fields: ['id', 'key'] },
      (schemas) => schemas.apiKeySecret,
      (shown, response, context) => {
        if (shown.id) requireSameId(shown.id, id, response, context);
        if (shown.secret) return shown.secret;
        throw invalidResponse(response, context, `${response.status} without the full key`, {
          issues: [{ path: ['key'], message: 'expected the full key' }],
        });
      },
    ),
  };
}

export function checkCreationEndpoint(): Endpoint<CreationCheck> {
  return {
    method: 'POST',
    path: '/apikeys/check-creation',
    body: {},
    retry: 'transient',
    decode: decodeWith(
      { fields: ['allowed', 'reason'], allowEmpty: true },
      (schemas) => schemas.creationCheck,
      ({ allowed, reason }, _, context) => ({ allowed, ...(reason && { reason: context.redact(reason) }) }),
    ),
  };
}

export function statusEndpoint(id: string, disabled: boolean): Endpoint<ApiKey> {
  return updateEndpoint(id, '/apikeys/{id}/status', { disabled });
}

export function quotaEndpoint(id: string, quota: number | 'unlimited'): Endpoint<ApiKey> {
  return updateEndpoint(id, '/apikeys/{id}/quota', {
    quota: quota === 'unlimited' ? '0' : toInt64(quota),
    unlimitedQuota: quota === 'unlimited',
  });
}

/** Both updates set a value whatever it was before, so they may be repeated. */
function updateEndpoint(id: string, path: string, body: object): Endpoint<ApiKey> {
  return {
    method: 'PUT',
    path,
    params: { id: checkPathSegment(id, 'id') },
    body,
    retry: 'transient',
    decode: decodeWith(
      { fields: KEY_FIELDS },
      (schemas) => schemas.apiKey,
      (key, response, context) => {
        requireSameId(key.id, id, response, context);
        return key;
      },
    ),
  };
}

export function usageEndpoint(query: ApiKeyUsageQuery): Endpoint<ApiKeyUsage> {
  return {
    method: 'POST',
    path: '/apikeys-stats',
    body: toUsageBody(query),
    retry: 'transient',
    decode: decodeWith(
      { fields: ['totalUsage', 'dataPoints'], allowEmpty: true },
      (schemas) => schemas.usageStatistics,
    ),
  };
}

// Responses

type Schemas = typeof import('./schema.ts');
type Decode<T> = Endpoint<T>['decode'];

/** Reads a JSON body by the schema of its contract. */
function decodeWith<T>(rules: BodyRules, schema: (schemas: Schemas) => z.ZodMiniType<T>): Decode<T>;
function decodeWith<Message, T>(
  rules: BodyRules,
  schema: (schemas: Schemas) => z.ZodMiniType<Message>,
  toResult: (message: Message, response: TransportResponse, context: ResponseContext) => T,
): Decode<T>;
function decodeWith<Message>(
  rules: BodyRules,
  schema: (schemas: Schemas) => z.ZodMiniType<Message>,
  toResult: (message: Message, ...rest: Parameters<Decode<unknown>>) => unknown = (message) => message,
): Decode<unknown> {
  return async (response, context) => {
    const body = await readJson(response, context, rules);
    // zod is loaded with the first response, not with the package.
    const schemas = await import('./schema.ts');
    return toResult(checkShape(body, schema(schemas), response, context), response, context);
  };
}

function requireSameId(
  received: string,
  id: string,
  response: TransportResponse,
  context: ResponseContext,
): void {
  if (received === id) return;
  throw invalidResponse(response, context, `${response.status} with another key`, {
    issues: [{ path: ['id'], message: 'expected the requested id' }],
  });
}

// Requests

/** The body of create. */
export interface CreateBody {
  readonly name: string;
  readonly expireTime?: string;
  readonly quota?: string;
  readonly unlimitedQuota?: boolean;
}

export function toCreateBody(input: CreateApiKeyInput): CreateBody {
  checkOptions(input, ['name', 'expiresAt'], 'The input of create()');
  return toBody(input);
}

export function toWorkspaceCreateBody(input: CreateWorkspaceApiKeyInput): CreateBody {
  checkOptions(input, ['name', 'expiresAt', 'quota'], 'The input of create()');
  const { quota } = input;
  if (quota === undefined) return toBody(input);
  return {
    ...toBody(input),
    ...(quota === 'unlimited' ? { unlimitedQuota: true } : { quota: toInt64(quota) }),
  };
}

function toBody({ name, expiresAt }: CreateApiKeyInput): CreateBody {
  if (typeof name !== 'string' || name.trim() === '') {
    throw new ConfigurationError('`name` must be a non-empty string.', { option: 'name' });
  }
  return { name, ...(expiresAt !== undefined && { expireTime: toTimestamp(expiresAt, 'expiresAt') }) };
}

function toInt64(quota: number): string {
  if (Number.isSafeInteger(quota) && quota >= 0) return String(quota);
  throw new ConfigurationError("`quota` must be an integer of 0 or more, or 'unlimited'.", {
    option: 'quota',
  });
}

/** RFC 3339, which has four digits for the year. */
function toTimestamp(date: Date, option: string): string {
  const time = isDate(date) ? new Date(Number(date)) : undefined;
  if (time === undefined || !(time.getUTCFullYear() >= 0 && time.getUTCFullYear() <= 9999)) {
    throw new ConfigurationError(`\`${option}\` must be a valid Date in the years 0 to 9999.`, { option });
  }
  return time.toISOString();
}

function listParams({ page, pageSize, search, sort }: PageQuery): URLSearchParams {
  const params = new URLSearchParams();
  if (page !== undefined) params.set('page.page', String(toInt32(page, 'page')));
  if (pageSize !== undefined) {
    params.set('page.pageSize', pageSize === ALL ? '-1' : String(toInt32(pageSize, 'pageSize')));
  }
  if (search !== undefined && search !== '') params.set('page.search', toText(search, 'search'));
  if (sort !== undefined) {
    params.set('page.sort', sort === 'createdAt' ? 'creationTimestamp' : toText(sort, 'sort'));
  }
  return params;
}

function toText(value: string, option: string): string {
  if (typeof value === 'string') return value;
  throw new ConfigurationError(`\`${option}\` must be a string.`, { option });
}

function toInt32(value: number, option: string): number {
  if (Number.isInteger(value) && value >= 1 && value < 2 ** 31) return value;
  throw new ConfigurationError(`\`${option}\` must be an integer of 1 or more.`, { option });
}

const PERIODS = {
  hour: 'TIME_PERIOD_HOUR',
  day: 'TIME_PERIOD_DAY',
  week: 'TIME_PERIOD_WEEK',
  month: 'TIME_PERIOD_MONTH',
} as const;

function toUsageBody(query: ApiKeyUsageQuery): Record<string, unknown> {
  checkOptions(query, ['from', 'to', 'period', 'ids', 'models'], 'The query of usage()');
  const { from, to, period, ids, models } = query;
  const startTime = from && toTimestamp(from, 'from');
  const endTime = to && toTimestamp(to, 'to');
  if (from && to && from > to)
    throw new ConfigurationError('`from` must not be later than `to`.', { option: 'from' });
  if (period !== undefined && !Object.hasOwn(PERIODS, period)) {
    throw new ConfigurationError('`period` must be hour, day, week or month.', { option: 'period' });
  }
  return {
    ...(startTime && { startTime }),
    ...(endTime && { endTime }),
    ...(period && { period: PERIODS[period] }),
    ...(ids && { ids: toTexts(ids, 'ids').map((id) => checkPathSegment(id, 'ids')) }),
    ...(models && { models: toTexts(models, 'models') }),
  };
}

/** On the wire an empty array means everything, which is not what a filter without matches asks for. */
function toTexts(texts: readonly string[], option: 'ids' | 'models'): readonly string[] {
  const isValid = Array.isArray(texts) && texts.every((text) => typeof text === 'string' && text !== '');
  if (isValid && texts.length > 0) return texts;
  throw new ConfigurationError(
    `\`${option}\` must be a non-empty array of non-empty strings. Leave it out to count everything.`,
    { option },
  );
}
