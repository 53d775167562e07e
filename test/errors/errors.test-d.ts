import {
  type AnyDrunError,
  type ApiError,
  type ApiKeyLimitError,
  type AuthenticationError,
  ConfigurationError,
  type DrunErrorCode,
  isDrunError,
  type RateLimitError,
  TimeoutError,
} from 'drun-sdk/errors';
import { expectTypeOf, test } from 'vitest';

declare const caught: unknown;

test('isDrunError narrows an unknown value to the union of all errors', () => {
  if (isDrunError(caught)) expectTypeOf(caught).toEqualTypeOf<AnyDrunError>();
  else expectTypeOf(caught).toBeUnknown();
});

test('the code discriminates the errors', () => {
  if (!isDrunError(caught)) return;
  if (caught.code === 'authentication_failed') expectTypeOf(caught).toEqualTypeOf<AuthenticationError>();
  if (caught.code === 'rate_limited') expectTypeOf(caught).toEqualTypeOf<RateLimitError>();
  if (caught.code === 'api_key_limit_reached') expectTypeOf(caught).toEqualTypeOf<ApiKeyLimitError>();
  if (caught.code === 'unknown_outcome')
    expectTypeOf(caught.candidateIds).toEqualTypeOf<readonly string[] | undefined>();
  if (caught.code === 'timeout') expectTypeOf(caught).toEqualTypeOf<TimeoutError>();
  if (caught.code === 'api_error') expectTypeOf(caught).toEqualTypeOf<ApiError<'api_error'>>();
});

test('the codes are a closed union of literals', () => {
  expectTypeOf<'rate_limited'>().toExtend<DrunErrorCode>();
  expectTypeOf<string>().not.toExtend<DrunErrorCode>();
  if (isDrunError(caught)) {
    // @ts-expect-error: there is no such code
    void (caught.code === 'rate_limit');
  }
});

test('fields of a specific error exist only after narrowing by code', () => {
  if (!isDrunError(caught)) return;
  // @ts-expect-error: only rejected credentials have a masked key
  void caught.maskedKey;
  if (caught.code === 'authentication_failed')
    expectTypeOf(caught.maskedKey).toEqualTypeOf<string | undefined>();
});

test('errors require their fields', () => {
  // @ts-expect-error: the option is missing
  void new ConfigurationError('message', {});
  // @ts-expect-error: there is no such phase
  void new TimeoutError('message', { phase: 'connect', timeoutMs: 1 });
});

test('the fields of an error are read-only', () => {
  const error = new TimeoutError('message', { phase: 'idle', timeoutMs: 1 });
  // @ts-expect-error: read-only
  error.timeoutMs = 2;
  expectTypeOf(error.phase).toEqualTypeOf<'response' | 'idle' | 'runtime'>();
});
