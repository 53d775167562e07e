import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

/*
 * Names that users depend on. They must not be renamed or removed. CI keeps the API report (docs/api/), which these tests
 * read, in sync with the build.
 */

const report = (entry: string): string =>
  readFileSync(new URL(`../../docs/api/${entry}.txt`, import.meta.url), 'utf8');

const exportedBy = (entry: string): string[] =>
  Array.from(report(entry).matchAll(/^export (\S+)$/gm), ([, name = '']) => name);

/** The declaration of one export. */
/** The declaration of an export, with those of the interface that it extends. */
const declaration = (entry: string, name: string): string => {
  const text =
    report(entry)
      .split(/^export /m)
      .find((part) => part.startsWith(`${name}\n`)) ?? '';
  const [, base] = /^ {2}interface \w+ extends (\w+) \{$/m.exec(text) ?? [];
  return base === undefined ? text : text + declaration(entry, base);
};

const ERRORS = {
  ConfigurationError: 'invalid_configuration',
  ConnectionError: 'connection_failed',
  TimeoutError: 'timeout',
  ApiError: 'api_error',
  InvalidRequestError: 'invalid_request',
  AuthenticationError: 'authentication_failed',
  InsufficientQuotaError: 'insufficient_quota',
  PermissionDeniedError: 'permission_denied',
  NotFoundError: 'not_found',
  RateLimitError: 'rate_limited',
  ServerError: 'server_error',
  ApiKeyLimitError: 'api_key_limit_reached',
  InvalidResponseError: 'invalid_response',
  StreamTruncatedError: 'stream_truncated',
  StreamFailedError: 'stream_failed',
  UnknownOutcomeError: 'unknown_outcome',
  ModelRefusalError: 'model_refusal',
  OutputTruncatedError: 'output_truncated',
  OutputValidationError: 'output_validation_failed',
  ToolCallError: 'invalid_tool_call',
  MaxToolRoundsError: 'max_tool_rounds_exceeded',
  ReplacementFailedError: 'replacement_failed',
  KeyStoreError: 'key_store_failed',
};
const KEY_RING_CODES = [
  'key_ring_store_failed',
  'key_ring_record_invalid',
  'key_ring_rolled_back',
  'key_ring_decryption_failed',
  'key_ring_no_active_key',
  'key_ring_key_rejected',
  'key_ring_revocation_unconfirmed',
  'key_ring_unknown_key',
  'key_ring_conflict',
];

const EXPORTS: Record<string, readonly string[]> = {
  'api-keys': ['ApiKeys', 'WorkspaceApiKeys', 'ApiKey', 'CreatedApiKey', 'ApiKeysOptions'],
  chat: ['ChatClient', 'ChatStream', 'defineTool', 'keyVerifier', 'ChatCompletion', 'ChatCompletionChunk'],
  errors: [...Object.keys(ERRORS), 'DrunError', 'KeyRingError', 'isDrunError', 'DrunErrorCode'],
  node: ['nodeTransport', 'NodeTransportOptions', 'Transport'],
  secret: ['Secret', 'redact', 'Credential'],
  rotation: ['KeyRing', 'KeyStore', 'memoryStore', 'openCurrentKey', 'KeyManager', 'KeyVerifier'],
  'rotation-file': ['fileStore'],
  'rotation-postgres': ['postgresStore'],
  'rotation-redis': ['redisStore'],
  'rotation-kubernetes': ['kubernetesSecretStore'],
  'rotation-dynamodb': ['dynamodbStore'],
  'rotation-testing': ['keyStoreContract'],
  emulator: ['createEmulator'],
  'emulator-node': ['serve'],
  'emulator-msw': ['handlers'],
};

describe.each(Object.entries(EXPORTS))('the entry point %s', (entry, names) => {
  it.each(names)('exports %s', (name) => {
    expect(exportedBy(entry)).toContain(name);
  });
});

describe('drun-sdk', () => {
  it.each(['api-keys', 'chat', 'errors', 'secret'])(
    'exports everything that drun-sdk/%s exports',
    (entry) => {
      const everything = exportedBy('index');
      expect(exportedBy(entry).filter((name) => !everything.includes(name))).toEqual([]);
    },
  );
});

describe('error codes', () => {
  it.each(Object.entries(ERRORS))('%s has the code %s', (name, code) => {
    expect(report('errors')).toContain(`'${code}'`);
    expect(exportedBy('errors')).toContain(name);
  });

  it.each(KEY_RING_CODES)('KeyRingError can have the code %s', (code) => {
    expect(report('errors')).toContain(`'${code}'`);
  });
});

const OPTIONS: readonly (readonly [entry: string, name: string, options: readonly string[]])[] = [
  [
    'api-keys',
    'ApiKeysOptions',
    'accessToken baseUrl timeoutMs maxRetries fetch headers language onRetry logger allowInsecureHttp dangerouslyAllowBrowser'.split(
      ' ',
    ),
  ],
  [
    'chat',
    'ChatClientOptions',
    'apiKey region baseUrl timeoutMs idleTimeoutMs maxRetries fetch headers onRetry logger allowInsecureHttp dangerouslyAllowBrowser'.split(
      ' ',
    ),
  ],
  [
    'rotation',
    'KeyRingOptions',
    (
      'name manager verifier store encryptionKey maxAgeMs gracePeriodMs standby deleteBeforeCreate quota ' +
      'refreshMs keyTimeoutMs storeTimeoutMs leaseMs createTimeoutMs activationTimeoutMs clock random'
    ).split(' '),
  ],
  [
    'rotation',
    'KeyRingEvents',
    [
      'created',
      'rotated',
      'revoked',
      'deleted',
      "'orphan-deleted'",
      'replaced',
      "'name-conflict'",
      "'stale-read'",
      'error',
    ],
  ],
  [
    'api-keys',
    'ApiKey',
    'id name maskedKey createdAt expiresAt expired disabled lastUsedAt createdBy userId workspace allowModels denyModels quota'.split(
      ' ',
    ),
  ],
  ['api-keys', 'ApiKeyPage', ['items', 'page', 'pageSize', 'total', 'servedAt']],
];

describe.each(OPTIONS)('%s: %s', (entry, name, members) => {
  it.each(members)('has the member %s', (member) => {
    expect(declaration(entry, name)).toMatch(new RegExp(`^\\s*(?:readonly )?${member}\\??:`, 'm'));
  });
});

const METHODS: readonly (readonly [entry: string, classes: readonly string[], methods: readonly string[]])[] =
  [
    [
      'chat',
      ['ChatClient'],
      ['complete', 'stream', 'parse', 'runTools', 'streamTools', 'models', 'checkKey', 'withOptions'],
    ],
    ['chat', ['ChatStream'], ['completion', 'abort', 'toReadableStream', 'toResponse']],
    [
      'rotation',
      ['KeyRing'],
      ['start', 'stop', 'reconcile', 'rotate', 'recover', 'revoke', 'status', 'on', 'getKey'],
    ],
    ['secret', ['Secret'], ['reveal', 'equals']],
  ];

describe.each(METHODS)('%s: %s', (entry, [name = ''], methods) => {
  it.each(methods)('has the method %s', (method) => {
    expect(declaration(entry, name)).toMatch(new RegExp(`^\\s*${method}[(<]`, 'm'));
  });
});
