import { readFileSync } from 'node:fs';
import type { DrunErrorCode } from 'drun-sdk/errors';
import { describe, expect, it } from 'vitest';

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

/** The text of each section whose heading is an error code. */
const sections = new Map(
  page.split(/^##+ /m).flatMap((section) => {
    const [, code, text] = /^(\w+)\n(.*)$/s.exec(section) ?? [];
    return code === undefined || text === undefined ? [] : [[code, text] as const];
  }),
);

/** The class of each error code. */
const classes: Record<DrunErrorCode, string> = {
  invalid_configuration: 'ConfigurationError',
  connection_failed: 'ConnectionError',
  timeout: 'TimeoutError',
  invalid_response: 'InvalidResponseError',
  invalid_request: 'InvalidRequestError',
  authentication_failed: 'AuthenticationError',
  insufficient_quota: 'InsufficientQuotaError',
  permission_denied: 'PermissionDeniedError',
  not_found: 'NotFoundError',
  rate_limited: 'RateLimitError',
  server_error: 'ServerError',
  api_error: 'ApiError',
  api_key_limit_reached: 'ApiKeyLimitError',
  unknown_outcome: 'UnknownOutcomeError',
  replacement_failed: 'ReplacementFailedError',
  stream_truncated: 'StreamTruncatedError',
  stream_failed: 'StreamFailedError',
  model_refusal: 'ModelRefusalError',
  output_truncated: 'OutputTruncatedError',
  output_validation_failed: 'OutputValidationError',
  invalid_tool_call: 'ToolCallError',
  max_tool_rounds_exceeded: 'MaxToolRoundsError',
  key_ring_store_failed: 'KeyRingError',
  key_ring_record_invalid: 'KeyRingError',
  key_ring_rolled_back: 'KeyRingError',
  key_ring_decryption_failed: 'KeyRingError',
  key_ring_no_active_key: 'KeyRingError',
  key_ring_key_rejected: 'KeyRingError',
  key_ring_revocation_unconfirmed: 'KeyRingError',
  key_ring_unknown_key: 'KeyRingError',
  key_ring_conflict: 'KeyRingError',
  key_store_failed: 'KeyStoreError',
};

describe('docs/errors.md', () => {
  it.each(Object.entries(classes))('explains %s and how to handle it', (code, name) => {
    const section = sections.get(code);

    expect(section).toMatch(new RegExp(`^\n\`${name}\``));
    expect(section).toContain('\n**What to do.** ');
    expect(page).toContain(`[\`${code}\`](#${code})`);
  });

  it('documents no unknown code', () => {
    const codes = [...sections.keys()].filter((heading) => heading.includes('_'));
    expect(codes.filter((code) => !(code in classes))).toEqual([]);
  });
});
