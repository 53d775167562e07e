import {
  type AnyDrunError,
  ApiError,
  ApiKeyLimitError,
  AuthenticationError,
  ConfigurationError,
  ConnectionError,
  DrunError,
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
import { describe, expect, test, vi } from 'vitest';

const message = 'it did not work';
const completion = { choices: [] };

/** One of each class, with its name and code as they are documented. */
const all: [name: string, code: string, make: () => AnyDrunError][] = [
  [
    'ConfigurationError',
    'invalid_configuration',
    () => new ConfigurationError(message, { option: 'apiKey' }),
  ],
  ['ConnectionError', 'connection_failed', () => new ConnectionError(message)],
  ['TimeoutError', 'timeout', () => new TimeoutError(message, { phase: 'response', timeoutMs: 30_000 })],
  ['InvalidResponseError', 'invalid_response', () => new InvalidResponseError(message, { status: 200 })],
  [
    'UnknownOutcomeError',
    'unknown_outcome',
    () => new UnknownOutcomeError(message, { candidateIds: ['key-1'], cause: new Error('lost') }),
  ],
  [
    'ReplacementFailedError',
    'replacement_failed',
    () => new ReplacementFailedError(message, { deletedId: 'key-1', cause: new Error('full') }),
  ],
  ['StreamTruncatedError', 'stream_truncated', () => new StreamTruncatedError(message, { completion })],
  ['StreamFailedError', 'stream_failed', () => new StreamFailedError(message, { completion })],
  ['ModelRefusalError', 'model_refusal', () => new ModelRefusalError(message, { refusal: null, completion })],
  ['OutputTruncatedError', 'output_truncated', () => new OutputTruncatedError(message, { completion })],
  [
    'OutputValidationError',
    'output_validation_failed',
    () => new OutputValidationError(message, { issues: [], completion }),
  ],
  [
    'ToolCallError',
    'invalid_tool_call',
    () => new ToolCallError(message, { toolName: 'weather', issues: [], messages: [] }),
  ],
  [
    'MaxToolRoundsError',
    'max_tool_rounds_exceeded',
    () => new MaxToolRoundsError(message, { maxRounds: 10, messages: [] }),
  ],
  ['KeyStoreError', 'key_store_failed', () => new KeyStoreError(message, { status: 403 })],
  [
    'KeyRingError',
    'key_ring_no_active_key',
    () => new KeyRingError(message, { code: 'key_ring_no_active_key', ring: 'checkout' }),
  ],
  ['ApiError', 'api_error', () => new ApiError<'api_error'>(message, { status: 418 })],
  ['InvalidRequestError', 'invalid_request', () => new InvalidRequestError(message, { status: 400 })],
  [
    'AuthenticationError',
    'authentication_failed',
    () => new AuthenticationError(message, { status: 401, maskedKey: 'sk-******7ucU' }),
  ],
  [
    'InsufficientQuotaError',
    'insufficient_quota',
    () => new InsufficientQuotaError(message, { status: 402 }),
  ],
  ['PermissionDeniedError', 'permission_denied', () => new PermissionDeniedError(message, { status: 403 })],
  ['NotFoundError', 'not_found', () => new NotFoundError(message, { status: 404 })],
  ['RateLimitError', 'rate_limited', () => new RateLimitError(message, { status: 429 })],
  [
    'ApiKeyLimitError',
    'api_key_limit_reached',
    () => new ApiKeyLimitError(message, { status: 400, reason: 'at most 5' }),
  ],
  ['ServerError', 'server_error', () => new ServerError(message, { status: 500 })],
];

describe.each(all)('%s', (name, code, make) => {
  test('has its literal name, its code and its message', () => {
    const error = make();

    expect([error.name, error.code, error.message]).toEqual([name, code, message]);
  });

  test('heads its stack with name and message', () => {
    expect(make().stack?.split('\n')[0]).toBe(`${name}: ${message}`);
  });

  test('is an Error, a DrunError and known to isDrunError', () => {
    const error = make();

    expect(error).toBeInstanceOf(Error);
    expect(error).toBeInstanceOf(DrunError);
    expect(isDrunError(error)).toBe(true);
  });

  test('keeps its name when its class is renamed, as minifiers do', () => {
    const error = make();
    Object.defineProperty(error.constructor, 'name', { value: 'a', configurable: true });
    try {
      expect(make().name).toBe(name);
      expect(String(make())).toBe(`${name}: ${message}`);
    } finally {
      Object.defineProperty(error.constructor, 'name', { value: name, configurable: true });
    }
  });

  test('serialises with name, code and message, and without its stack', () => {
    const plain = JSON.parse(JSON.stringify(make()));

    expect(plain).toMatchObject({ name, code, message });
    expect(plain).not.toHaveProperty('stack');
  });

  test('is recognised by another copy of the package', async () => {
    vi.resetModules();
    const other = await import('drun-sdk/errors');

    expect(other.DrunError).not.toBe(DrunError);
    expect(make()).not.toBeInstanceOf(other.DrunError);
    expect(other.isDrunError(make())).toBe(true);
  });
});

test('the codes of all classes differ', () => {
  expect(new Set(all.map(([, code]) => code)).size).toBe(all.length);
});

describe('ApiError', () => {
  const whole = {
    status: 418,
    serviceCode: 'teapot',
    serviceType: 'invalid_request_error',
    param: 'model',
    requestId: 'req-1',
    retryAfterMs: 1_500,
  };

  test('carries what the service said', () => {
    expect(new ApiError(message, whole)).toMatchObject(whole);
  });

  test('serialises what the service said', () => {
    expect(JSON.parse(JSON.stringify(new ApiError(message, whole)))).toEqual({
      name: 'ApiError',
      code: 'api_error',
      message,
      ...whole,
    });
  });

  test('has no fields for what the service did not say', () => {
    const error = new ServerError(message, { status: 500, serviceCode: undefined, param: undefined });

    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: 'ServerError',
      code: 'server_error',
      message,
      status: 500,
    });
    expect(error).not.toHaveProperty('param');
  });

  test('keeps a wait of zero', () => {
    expect(new RateLimitError(message, { status: 429, retryAfterMs: 0 }).retryAfterMs).toBe(0);
  });

  const first = all.findIndex(([name]) => name === 'ApiError');

  test.each(all.slice(first))('is what %s is too', (_, _code, make) => {
    expect(make()).toBeInstanceOf(ApiError);
  });

  test.each(all.slice(0, first))('is not what %s is', (_, _code, make) => {
    expect(make()).not.toBeInstanceOf(ApiError);
  });
});

test('an AuthenticationError carries the masked key', () => {
  const error = new AuthenticationError(message, { status: 401, maskedKey: 'sk-******7ucU' });

  expect(error.maskedKey).toBe('sk-******7ucU');
  expect(error.toJSON()).toMatchObject({ maskedKey: 'sk-******7ucU', status: 401 });
});

test('an ApiKeyLimitError carries the reason', () => {
  const error = new ApiKeyLimitError(message, { status: 400, reason: 'at most 5' });

  expect(error.reason).toBe('at most 5');
  expect(error.toJSON()).toMatchObject({ reason: 'at most 5', status: 400 });
});

test('an ApiKeyLimitError carries how many keys there are, and those that look unused', () => {
  const unusedKeys = [
    {
      id: 'key-1',
      name: 'old',
      maskedKey: 'sk-******7ucU',
      why: 'never_used',
      createdAt: new Date('2026-01-01T00:00:00Z'),
    },
  ] as const;
  const error = new ApiKeyLimitError(message, { status: 400, reason: 'at most 5', keyCount: 5, unusedKeys });

  expect(error).toMatchObject({ keyCount: 5, unusedKeys });
  expect(JSON.parse(JSON.stringify(error)).unusedKeys[0].createdAt).toBe('2026-01-01T00:00:00.000Z');
});

test('an ApiKeyLimitError that knows no more has no count, and an empty list', () => {
  const error = new ApiKeyLimitError(message, { status: 400, reason: 'at most 5' });

  expect(error).not.toHaveProperty('keyCount');
  expect(error.unusedKeys).toEqual([]);
});

test('an UnknownOutcomeError carries the ids of the candidates, and its cause', () => {
  const cause = new ConnectionError('lost');
  const error = new UnknownOutcomeError(message, { candidateIds: ['key-1', 'key-2'], cause });

  expect(error.cause).toBe(cause);
  expect(error.toJSON()).toEqual({
    name: 'UnknownOutcomeError',
    code: 'unknown_outcome',
    message,
    candidateIds: ['key-1', 'key-2'],
  });
});

test('a ReplacementFailedError carries the id of the key that is gone, and its cause', () => {
  const cause = new ApiKeyLimitError('full', { status: 400, reason: 'at most 5' });
  const error = new ReplacementFailedError(message, { deletedId: 'key-1', cause });

  expect(error.cause).toBe(cause);
  expect(error.toJSON()).toEqual({
    name: 'ReplacementFailedError',
    code: 'replacement_failed',
    message,
    deletedId: 'key-1',
  });
});

test('a ConfigurationError carries the option', () => {
  expect(new ConfigurationError(message, { option: 'apiKey' }).toJSON()).toEqual({
    name: 'ConfigurationError',
    code: 'invalid_configuration',
    message,
    option: 'apiKey',
  });
});

test.each(['response', 'idle'] as const)('a TimeoutError carries its time and the phase %s', (phase) => {
  expect(new TimeoutError(message, { phase, timeoutMs: 250 }).toJSON()).toEqual({
    name: 'TimeoutError',
    code: 'timeout',
    message,
    phase,
    timeoutMs: 250,
  });
});

test('an InvalidResponseError carries status and issues', () => {
  const issues = [{ path: ['items', 0, 'id'], message: 'expected string' }];

  expect(new InvalidResponseError(message, { status: 200, issues }).toJSON()).toEqual({
    name: 'InvalidResponseError',
    code: 'invalid_response',
    message,
    status: 200,
    issues,
  });
});

test('an InvalidResponseError without issues has an empty list of them', () => {
  expect(new InvalidResponseError(message, { status: 200 }).issues).toEqual([]);
});

test('a ConnectionError has its cause, and does not serialise it', () => {
  const cause = new Error('connect ECONNREFUSED');
  const error = new ConnectionError(message, { cause });

  expect(error.cause).toBe(cause);
  expect(JSON.stringify(error)).not.toContain('ECONNREFUSED');
});

describe('isDrunError', () => {
  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a string', 'rate_limited'],
    ['an Error', new Error(message)],
    ['an object that looks like one', { name: 'RateLimitError', code: 'rate_limited', message, status: 429 }],
    ['an AbortError', new DOMException('aborted', 'AbortError')],
    ['the class itself', RateLimitError],
  ])('is false for %s', (_, value) => {
    expect(isDrunError(value)).toBe(false);
  });
});

test('a switch over the codes is exhaustive', () => {
  const advise = (error: AnyDrunError): string => {
    switch (error.code) {
      case 'invalid_configuration':
        return error.option;
      case 'connection_failed':
        return 'check the network';
      case 'timeout':
        return `${error.phase} ${error.timeoutMs}`;
      case 'invalid_response':
        return `${error.status} ${error.issues.length}`;
      case 'unknown_outcome':
        return error.candidateIds?.join() ?? '';
      case 'replacement_failed':
        return error.deletedId;
      case 'stream_truncated':
      case 'stream_failed':
        return `${error.completion.choices.length} answers so far`;
      case 'model_refusal':
        return error.refusal ?? 'a filter';
      case 'output_truncated':
        return 'raise max_tokens';
      case 'output_validation_failed':
        return String(error.issues.length);
      case 'invalid_tool_call':
        return error.toolName;
      case 'max_tool_rounds_exceeded':
        return String(error.maxRounds);
      case 'authentication_failed':
        return error.maskedKey;
      case 'api_key_limit_reached':
        return error.reason;
      case 'rate_limited':
        return String(error.retryAfterMs);
      case 'api_error':
      case 'invalid_request':
      case 'insufficient_quota':
      case 'permission_denied':
      case 'not_found':
      case 'server_error':
        return String(error.status);
      case 'key_store_failed':
        return error.message;
      case 'key_ring_store_failed':
      case 'key_ring_record_invalid':
      case 'key_ring_rolled_back':
      case 'key_ring_decryption_failed':
      case 'key_ring_no_active_key':
      case 'key_ring_key_rejected':
      case 'key_ring_revocation_unconfirmed':
      case 'key_ring_unknown_key':
      case 'key_ring_conflict':
        return `${error.ring} ${error.keyIds.length}`;
      default: {
        const nothingElse: never = error;
        return nothingElse;
      }
    }
  };

  expect(all.map(([, , make]) => advise(make()))).not.toContain(undefined);
});
