import { inspect } from 'node:util';
import {
  type AnyDrunError,
  ApiError,
  ApiKeyLimitError,
  AuthenticationError,
  ConfigurationError,
  ConnectionError,
  DrunError,
  type DrunErrorCode,
  InsufficientQuotaError,
  InvalidRequestError,
  InvalidResponseError,
  isDrunError,
  KeyRingError,
  KeyStoreError,
  MaxToolRoundsError,
  ModelRefusalError,
  NotFoundError,
  OutputTruncatedError,
  OutputValidationError,
  PermissionDeniedError,
  RateLimitError,
  ReplacementFailedError,
  ServerError,
  StreamFailedError,
  StreamTruncatedError,
  TimeoutError,
  ToolCallError,
  UnknownOutcomeError,
} from 'drun-sdk/errors';
import { describe, expect, it, vi } from 'vitest';

const message = 'It failed.';
const completion = { choices: [] };
const cause = new Error('lost');
const issues = [{ path: ['items', 0, 'id'], message: 'expected string' }];
const api = {
  url: 'https://chat.d.run/v1/models',
  serviceCode: 'teapot',
  serviceType: 'invalid_request_error',
  param: 'model',
  requestId: 'req-1',
  retryAfterMs: 0,
};

interface Row {
  readonly name: string;
  readonly code: DrunErrorCode;
  readonly fields: object;
  readonly hidden?: object;
  readonly error: () => AnyDrunError;
}

const row = (
  name: string,
  code: DrunErrorCode,
  fields: object,
  create: (fields: never) => AnyDrunError,
  hidden?: object,
): Row => ({
  name,
  code,
  fields,
  error: () => create({ ...fields, ...hidden } as never),
  ...(hidden && { hidden }),
});

/** Each class with its documented name, code and fields. */
const CLASSES: Row[] = [
  row(
    'ConfigurationError',
    'invalid_configuration',
    { option: 'apiKey' },
    (f) => new ConfigurationError(message, f),
  ),
  row('ConnectionError', 'connection_failed', { host: 'chat.d.run' }, (f) => new ConnectionError(message, f)),
  row(
    'TimeoutError',
    'timeout',
    { phase: 'idle', timeoutMs: 30_000, completion },
    (f) => new TimeoutError(message, f),
  ),
  row(
    'InvalidResponseError',
    'invalid_response',
    { status: 200, issues, requestId: 'req-1' },
    (f) => new InvalidResponseError(message, f),
    { excerpt: '<html>' },
  ),
  row(
    'UnknownOutcomeError',
    'unknown_outcome',
    { candidateIds: ['key-1'] },
    (f) => new UnknownOutcomeError(message, f),
  ),
  row(
    'ReplacementFailedError',
    'replacement_failed',
    { deletedId: 'key-1' },
    (f) => new ReplacementFailedError(message, f),
  ),
  row(
    'StreamTruncatedError',
    'stream_truncated',
    { completion, requestId: 'req-1' },
    (f) => new StreamTruncatedError(message, f),
  ),
  row(
    'StreamFailedError',
    'stream_failed',
    { completion, requestId: 'req-1', serviceCode: '500', serviceType: 'internal', param: 'n' },
    (f) => new StreamFailedError(message, f),
  ),
  row(
    'ModelRefusalError',
    'model_refusal',
    { refusal: null, completion },
    (f) => new ModelRefusalError(message, f),
  ),
  row(
    'OutputTruncatedError',
    'output_truncated',
    { completion },
    (f) => new OutputTruncatedError(message, f),
  ),
  row(
    'OutputValidationError',
    'output_validation_failed',
    { issues, completion },
    (f) => new OutputValidationError(message, f),
  ),
  row(
    'ToolCallError',
    'invalid_tool_call',
    { toolName: 'weather', issues },
    (f) => new ToolCallError(message, f),
    { messages: ['a prompt'] },
  ),
  row(
    'MaxToolRoundsError',
    'max_tool_rounds_exceeded',
    { maxRounds: 10 },
    (f) => new MaxToolRoundsError(message, f),
    { messages: ['a prompt'] },
  ),
  row('KeyStoreError', 'key_store_failed', { status: 403 }, (f) => new KeyStoreError(message, f)),
  row(
    'KeyRingError',
    'key_ring_no_active_key',
    { ring: 'checkout', keyIds: ['key-1'] },
    (f: object) => new KeyRingError(message, { code: 'key_ring_no_active_key', ...f } as never),
  ),
  row('ApiError', 'api_error', { status: 418, ...api }, (f) => new ApiError<'api_error'>(message, f), {
    excerpt: 'a prompt',
  }),
  row(
    'InvalidRequestError',
    'invalid_request',
    { status: 400, ...api },
    (f) => new InvalidRequestError(message, f),
    { excerpt: 'a prompt' },
  ),
  row(
    'AuthenticationError',
    'authentication_failed',
    { status: 401, ...api, maskedKey: 'sk-******7ucU' },
    (f) => new AuthenticationError(message, f),
  ),
  row(
    'InsufficientQuotaError',
    'insufficient_quota',
    { status: 402, ...api },
    (f) => new InsufficientQuotaError(message, f),
  ),
  row(
    'PermissionDeniedError',
    'permission_denied',
    { status: 403, ...api },
    (f) => new PermissionDeniedError(message, f),
  ),
  row('NotFoundError', 'not_found', { status: 404, ...api }, (f) => new NotFoundError(message, f)),
  row('RateLimitError', 'rate_limited', { status: 429, ...api }, (f) => new RateLimitError(message, f)),
  row(
    'ApiKeyLimitError',
    'api_key_limit_reached',
    { status: 400, ...api, reason: 'at most 5', keyCount: 5, unusedKeys: [], ringKeyIds: ['key-1'] },
    (f) => new ApiKeyLimitError(message, f),
  ),
  row('ServerError', 'server_error', { status: 500, ...api }, (f) => new ServerError(message, f)),
];

describe.each(CLASSES)('$name', ({ name, code, fields, hidden = {}, error: create }) => {
  it('has its literal name, its code, its message and its fields', () => {
    expect(create()).toMatchObject({ name, code, message, ...fields, ...hidden });
  });

  it('starts its stack with name and message', () => {
    expect(create().stack?.split('\n')[0]).toBe(`${name}: ${message}`);
  });

  it('is an Error, a DrunError, and recognized by isDrunError', () => {
    const error = create();

    expect(error).toBeInstanceOf(Error);
    expect(error).toBeInstanceOf(DrunError);
    expect(isDrunError(error)).toBe(true);
  });

  it('is an ApiError if and only if it has a status of the service', () => {
    const isApi = 'serviceCode' in fields && 'status' in fields;

    expect(create() instanceof ApiError).toBe(isApi);
  });

  it('keeps its name when a minifier renames its class', () => {
    const type = create().constructor;
    Object.defineProperty(type, 'name', { value: 'a', configurable: true });
    try {
      expect(String(create())).toBe(`${name}: ${message}`);
    } finally {
      Object.defineProperty(type, 'name', { value: name, configurable: true });
    }
  });

  it('serializes as name, code, message and fields, without stack, prompt and excerpt', () => {
    expect(JSON.parse(JSON.stringify(create()))).toEqual({ name, code, message, ...fields });
  });

  it('prints neither prompt nor excerpt', () => {
    expect(inspect(create())).not.toMatch(/a prompt|<html>/);
  });

  it('is recognized by another copy of the package', async () => {
    vi.resetModules();
    const other = await import('drun-sdk/errors');

    expect(create()).not.toBeInstanceOf(other.DrunError);
    expect(other.isDrunError(create())).toBe(true);
  });
});

it('gives each class a unique code', () => {
  expect(new Set(CLASSES.map(({ code }) => code)).size).toBe(CLASSES.length);
});

describe('a DrunError', () => {
  it('omits fields that are undefined', () => {
    const error = new ServerError(message, { status: 500, serviceCode: undefined, param: undefined });

    expect(Object.keys(error)).toEqual(['code', 'status']);
  });

  it.each([
    ['ConnectionError', new ConnectionError(message, { cause })],
    ['UnknownOutcomeError', new UnknownOutcomeError(message, { cause })],
    ['KeyRingError', new KeyRingError(message, { code: 'key_ring_conflict', ring: 'a', keyIds: [], cause })],
    ['InvalidResponseError', new InvalidResponseError(message, { status: 200, issues: [], cause })],
  ])('has a cause that it does not serialize: %s', (_, error) => {
    expect(error.cause).toBe(cause);
    expect(JSON.stringify(error)).not.toContain('lost');
  });

  it('keeps its own code when it is created from the fields of another error', () => {
    const original = new ApiError('Not there.', { status: 405, serviceCode: 'x' });

    expect(new NotFoundError(message, original)).toMatchObject({
      code: 'not_found',
      name: 'NotFoundError',
      message,
      status: 405,
      serviceCode: 'x',
    });
  });
});

describe('isDrunError', () => {
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a string', 'rate_limited'],
    ['an Error', new Error(message)],
    ['an object that looks like one', { name: 'RateLimitError', code: 'rate_limited', message, status: 429 }],
    ['an AbortError', new DOMException('aborted', 'AbortError')],
    ['the class itself', RateLimitError],
    ['a revoked proxy', revoked.proxy],
    [
      'a proxy that throws',
      new Proxy(
        {},
        {
          has: () => {
            throw new Error(message);
          },
        },
      ),
    ],
  ])('is false for %s', (_, value) => {
    expect(isDrunError(value)).toBe(false);
  });

  it('lets a switch over the code narrow to the fields of each class', () => {
    const advise = (error: unknown): string => {
      if (!isDrunError(error)) return 'unknown';
      switch (error.code) {
        case 'invalid_configuration':
          return error.option;
        case 'authentication_failed':
          return String(error.maskedKey);
        case 'timeout':
          return `${error.phase} ${error.timeoutMs}`;
        default:
          return error.message;
      }
    };

    expect(CLASSES.map(({ error }) => advise(error())).slice(0, 3)).toEqual([
      'apiKey',
      message,
      'idle 30000',
    ]);
  });
});
