import type * as z from 'zod/mini';
import { ApiError, type DrunError, NotFoundError, type ResponseIssue } from '../errors/index.ts';
import { check, checkOptions, invalid } from '../errors/invalid.ts';
import type { Endpoint } from '../http/client.ts';
import type { ResponseContext } from '../http/context.ts';
import { type BodyRules, invalidResponse, readJson } from '../http/errors.ts';
import type { ResponseHeaders, TransportResponse } from '../http/transport.ts';
import { isDate } from '../internal/checks.ts';
import type { Secret } from '../secret/secret.ts';
import type {
  ApiKey,
  ApiKeyPage,
  ApiKeyUsage,
  ApiKeyUsageQuery,
  CreateWorkspaceApiKeyInput,
  CreationCheck,
  DeletedApiKey,
  ListApiKeysQuery,
} from './types.ts';

/*
 * Descriptions of the control-plane endpoints. Paths are relative to the account or workspace. Each function throws a
 * ConfigurationError if an argument is invalid.
 */

/** A page of keys, as returned by the service. */
export interface ListedPage extends Omit<ApiKeyPage, 'total'> {
  readonly total: number | undefined;
  /** Ids of keys whose last-used time could not be parsed. These keys must not count as unused. */
  readonly unknownUse: ReadonlySet<string>;
}

/** The page size that requests all keys at once. */
export const ALL: unique symbol = /* @__PURE__ */ Symbol('all');

/** A query for one page. */
export interface PageQuery extends Omit<ListApiKeysQuery, 'pageSize'> {
  readonly pageSize?: number | typeof ALL | undefined;
}

/** Paths that list all keys of the account or workspace (masked or not), or only the caller's own keys. */
export type ListPath = '/masked-apikeys' | '/apikeys' | '/my-apikeys';

/** Statuses that routers return for an unknown path. */
const MISSING_PATH_STATUSES: readonly number[] = [404, 405, 501];

/** Returns whether an error could mean that the server does not have the requested path. */
export function isMissingPath(error: unknown): error is ApiError {
  return error instanceof ApiError && MISSING_PATH_STATUSES.includes(error.status);
}

const KEY_FIELDS = ['id', 'name', 'key'];

type Schemas = typeof import('./schema.ts');
/** Imported on the first response, because the schemas load zod. Cached, because a repeated import costs 40 µs. */
let schemas: Promise<Schemas> | undefined;

/** Creates a key. If the response lacks the full key, the result's `secret` is an error. */
export function createEndpoint(
  body: CreateBody,
): Endpoint<{ readonly key: ApiKey; readonly secret: Secret | DrunError }> {
  return {
    method: 'POST',
    path: '/apikeys',
    body,
    retry: 'if-not-applied',
    decode: decodeWith({ fields: KEY_FIELDS }, 'createdApiKey', ({ key, secret }, ...context) => ({
      key,
      secret: secret ?? noFullKey(...context),
    })),
  };
}

export function listEndpoint(path: ListPath, query: PageQuery): Endpoint<ListedPage> {
  return {
    method: 'GET',
    path,
    query: listParams(query),
    retry: 'transient',
    recover: (error) => {
      // Not retried if the path is missing, because the caller tries another path instead.
      if (isMissingPath(error)) throw error;
      return undefined;
    },
    decode: decodeWith(
      { fields: ['items', 'page'], allowEmpty: true },
      'apiKeyPage',
      ({ items, unknownUse, page, pageSize, total }, { headers }) => {
        const servedAt = serviceTime(headers);
        return {
          items,
          unknownUse,
          page: page ?? query.page ?? 1,
          pageSize: pageSize ?? (typeof query.pageSize === 'number' ? query.pageSize : items.length),
          // Protobuf omits zeros, so a missing total is either 0 or unknown.
          total: total ?? (items.length > 0 ? undefined : 0),
          ...(servedAt && { servedAt }),
        };
      },
    ),
  };
}

/** Returns when the response was sent, by the service's clock: `Date`, plus the `Age` that a cache adds. */
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
    recover: (error, mayHaveBeenApplied) =>
      mayHaveBeenApplied && error instanceof NotFoundError ? { id } : undefined,
    decode: decodeWith(
      { fields: [...KEY_FIELDS, 'creationTimestamp'], allowEmpty: true },
      'deletedApiKey',
      (deleted, ...context) => {
        if (deleted.id) checkId(deleted.id, id, ...context);
        return { ...deleted.key, id };
      },
    ),
  };
}

/** @param isSupported - Whether the server has this endpoint; undefined if unknown. */
export function secretEndpoint(id: string, isSupported: boolean | undefined): Endpoint<Secret> {
  return {
    method: 'GET',
    path: '/apikeys/{id}/secret',
    params: { id: checkPathSegment(id, 'id') },
    retry: 'transient',
    recover: (error) => {
      if (!isMissingPath(error)) return undefined;
      if (isSupported) throw error;
      const reason = isSupported === undefined ? 'The key does not exist, or the server is' : 'The server is';
      const message = `${error.message} ${reason} older than version 0.17 and cannot show full keys again.`;
      const { code: _, ...fields } = error;
      throw new NotFoundError(message, fields);
    },
    decode: decodeWith({ fields: ['id', 'key'] }, 'apiKeySecret', (shown, ...context) => {
      if (shown.id) checkId(shown.id, id, ...context);
      if (shown.secret) return shown.secret;
      throw noFullKey(...context);
    }),
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
      'creationCheck',
      ({ allowed, reason }, _, context) => ({ allowed, ...(reason && { reason: context.redact(reason) }) }),
    ),
  };
}

/** Updates a key. The update is idempotent, so it can be retried. */
export function updateEndpoint(id: string, field: 'status' | 'quota', body: object): Endpoint<ApiKey> {
  return {
    method: 'PUT',
    path: `/apikeys/{id}/${field}`,
    params: { id: checkPathSegment(id, 'id') },
    body,
    retry: 'transient',
    decode: decodeWith({ fields: KEY_FIELDS }, 'apiKey', (key, ...context) => {
      checkId(key.id, id, ...context);
      return key;
    }),
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
      'usageStatistics',
      (usage) => usage,
    ),
  };
}

// Responses

type DecodeContext = [response: TransportResponse, context: ResponseContext];

/** Returns a function that validates a JSON body against the named schema and converts it. */
function decodeWith<Name extends keyof Schemas, T>(
  rules: BodyRules,
  name: Name,
  toResult: (message: z.output<Schemas[Name]>, ...context: DecodeContext) => T,
): Endpoint<T>['decode'] {
  return async (...context) => {
    const body = await readJson(...context, rules);
    schemas ??= import('./schema.ts');
    const message = checkShape(body, (await schemas)[name], ...context);
    return toResult(message as z.output<Schemas[Name]>, ...context);
  };
}

function checkId(received: string, id: string, ...[response, context]: DecodeContext): void {
  if (received === id) return;
  const issues = [{ path: ['id'], message: 'expected the requested id' }];
  throw invalidResponse(response, context, `${response.status} with a different key`, { issues });
}

function noFullKey(...[response, context]: DecodeContext): DrunError {
  const issues = [{ path: ['key'], message: 'expected the full key' }];
  return invalidResponse(response, context, `${response.status} without the full key`, { issues });
}

// Requests

/** The body of a create request. */
export interface CreateBody {
  readonly name: string;
  readonly expireTime: string | undefined;
  readonly quota?: string;
  readonly unlimitedQuota?: boolean;
}

/** The fields that a caller can set. Only workspace keys can have a quota. */
export function createFields(isWorkspace: boolean): string[] {
  return ['name', 'expiresAt', ...(isWorkspace ? ['quota'] : [])];
}

export function toCreateBody(input: CreateWorkspaceApiKeyInput, isWorkspace: boolean): CreateBody {
  checkOptions(input, createFields(isWorkspace), 'The first argument of create()');
  const { name, expiresAt, quota } = input;
  const isName = typeof name === 'string' && name.trim() !== '' && name.isWellFormed();
  check(isName, 'name', 'must be a non-empty string without lone surrogates');
  return {
    name,
    expireTime: toTimestamp(expiresAt, 'expiresAt'),
    ...(quota === 'unlimited' && { unlimitedQuota: true }),
    ...(quota !== undefined && quota !== 'unlimited' && { quota: toInt64(quota) }),
  };
}

export function toQuotaBody(quota: number | 'unlimited'): object {
  const isUnlimited = quota === 'unlimited';
  return { quota: isUnlimited ? '0' : toInt64(quota), unlimitedQuota: isUnlimited };
}

function toInt64(quota: number): string {
  check(Number.isSafeInteger(quota) && quota >= 0, 'quota', 'must be a non-negative integer, or "unlimited"');
  return String(quota);
}

/** Formats a time according to RFC 3339, which requires four-digit years. */
function toTimestamp(date: Date | undefined, option: string): string | undefined {
  if (date === undefined) return undefined;
  const time = new Date(isDate(date) ? Number(date) : Number.NaN);
  const year = time.getUTCFullYear();
  check(year >= 0 && year <= 9999, option, 'must be a valid Date with a year from 0 to 9999');
  return time.toISOString();
}

function listParams({ page, pageSize, search, sort }: PageQuery): URLSearchParams {
  const params = new URLSearchParams();
  if (page !== undefined) params.set('page.page', String(checkInt32(page, 'page')));
  if (pageSize !== undefined) {
    params.set('page.pageSize', pageSize === ALL ? '-1' : String(checkInt32(pageSize, 'pageSize')));
  }
  if (search !== undefined && search !== '') params.set('page.search', toText(search, 'search'));
  if (sort !== undefined) {
    params.set('page.sort', sort === 'createdAt' ? 'creationTimestamp' : toText(sort, 'sort'));
  }
  return params;
}

function toText(value: string, option: string): string {
  check(typeof value === 'string', option, 'must be a string');
  return value;
}

export function checkInt32(value: unknown, option: string): number {
  const isInt32 = typeof value === 'number' && Number.isInteger(value) && value >= 1 && value < 2 ** 31;
  if (isInt32) return value;
  throw invalid(option, 'must be a positive integer');
}

const PERIODS: readonly unknown[] = ['hour', 'day', 'week', 'month'];

function toUsageBody(query: ApiKeyUsageQuery): Record<string, unknown> {
  checkOptions(query, ['from', 'to', 'period', 'ids', 'models'], 'The first argument of usage()');
  const { from, to, period, ids, models } = query;
  const startTime = toTimestamp(from, 'from');
  const endTime = toTimestamp(to, 'to');
  check(!from || !to || from <= to, 'from', 'must not be later than `to`');
  check(period === undefined || PERIODS.includes(period), 'period', 'must be hour, day, week or month');
  return {
    startTime,
    endTime,
    period: period && `TIME_PERIOD_${period.toUpperCase()}`,
    ids: toTexts(ids, 'ids')?.map((id) => checkPathSegment(id, 'ids')),
    models: toTexts(models, 'models'),
  };
}

/** Rejects an empty array, because the service would treat it as omitted. */
function toTexts(
  texts: readonly string[] | undefined,
  option: 'ids' | 'models',
): readonly string[] | undefined {
  if (texts === undefined) return undefined;
  const isValid = Array.isArray(texts) && texts.every((text) => typeof text === 'string' && text !== '');
  const rule = 'must be a non-empty array of non-empty strings. Omit it to count everything';
  check(isValid && texts.length > 0, option, rule);
  return texts;
}

const MAX_ISSUES = 20;

/**
 * Checks a value against a schema.
 *
 * @throws {InvalidResponseError} If the value does not match the schema. The error contains paths but no values.
 */
function checkShape(value: unknown, schema: z.ZodMiniType, ...[response, context]: DecodeContext): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.slice(0, MAX_ISSUES).map(toIssue);
  const places = issues.map(({ path, message }) => `${path.join('.') || 'the body'}: ${message}`).join('; ');
  const what = `${response.status} with an unexpected body (${places})`;
  // The error has no excerpt, because the body may contain a key in a form that redaction does not recognize.
  throw invalidResponse(response, context, what, { issues });
}

function toIssue(issue: z.core.$ZodIssue): ResponseIssue {
  const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
  return { path, message: expectation(issue) };
}

function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return `expected ${issue.expected}`;
  if (issue.code === 'too_small') return `expected ${issue.minimum} or more`;
  return issue.code === 'custom' ? issue.message : 'does not have the documented form';
}

/**
 * Throws unless the value is a single path segment. Encoding is not enough: URL parsers resolve even an encoded `..`,
 * and some servers and proxies decode `%2F` before routing.
 */
export function checkPathSegment(value: string, option: string): string {
  if (typeof value !== 'string' || value === '') throw invalid(option, 'must be a non-empty string');
  if (/^sk-[\w-]{16,}$/.test(value)) throw invalid(option, 'looks like an API key. Pass the id of the key');
  const isSegment = !/^\.{1,2}$|[/\\%?#\s\p{Cc}]/u.test(value) && value.isWellFormed();
  check(isSegment, option, 'must be a single path segment without slashes, percent signs or white space');
  return value;
}
