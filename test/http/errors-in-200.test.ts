import { ApiKeys, type CallOptions, DrunError } from 'drun-sdk';
import { describe, expect, it } from 'vitest';
import { KEY, TOKEN } from '../support/credentials.ts';
import { everyMethod, KEY_METHODS, METHODS } from '../support/every-method.ts';
import { json } from '../support/network.ts';

const options: CallOptions = { maxRetries: 0 };

const EMPTY = '"items":[],"data":[],"choices":[],"totalUsage":{}';

/** Bodies that report an error with status 200, and the class of the error. */
const REPORTED: [body: string, name: string, status: number][] = [
  ['{"code":401,"msg":"token expired","data":null}', 'AuthenticationError', 401],
  ['{"code":"401","message":"token expired"}', 'AuthenticationError', 401],
  ['{"status":403,"message":"no"}', 'PermissionDeniedError', 403],
  ['{"statusCode":404,"error":"Not Found","message":"no such thing"}', 'NotFoundError', 404],
  ['{"code":429,"msg":"slow down","data":[]}', 'RateLimitError', 429],
  ['{"code":500,"message":"broken","data":{}}', 'ServerError', 500],
  ['{"code":503,"msg":"maintenance","data":null}', 'ServerError', 503],
  ['{"code":40100,"msg":"token expired","data":null}', 'ApiError', 200],
  ['{"error":{"message":"bad","code":"invalid_api_key"}}', 'AuthenticationError', 401],
  ['{"error":{"message":"bad","type":"invalid_request_error"}}', 'InvalidRequestError', 400],
  ['{"error":{"message":"bad","code":"insufficient_quota"}}', 'InsufficientQuotaError', 402],
  ['{"error":{"message":"bad","code":"model_access_denied"}}', 'PermissionDeniedError', 403],
  ['{"error":{"message":"bad","type":"NotFoundError","code":404}}', 'NotFoundError', 404],
  ['{"error":{"message":"bad","code":"model_rate_limit_exceeded","type":""}}', 'RateLimitError', 429],
  ['{"error":{"message":"bad","type":"upstream_error"}}', 'ServerError', 500],
  ['{"error":"Unauthorized"}', 'ApiError', 200],
  ['{"errors":[{"message":"bad"}]}', 'ApiError', 200],
  ['{"errors":[{"message":"bad","extensions":{"code":"UNAUTHENTICATED"}}]}', 'ApiError', 200],
  ['{"errors":{"name":["is too long"]}}', 'ApiError', 200],
  ['{"detail":"Not authenticated"}', 'ApiError', 200],
  ['{"detail":[{"loc":["body"],"msg":"field required"}]}', 'ApiError', 200],
  ['{"detail":{"error":{"message":"bad","code":403}}}', 'PermissionDeniedError', 403],
  ['{"success":false}', 'ApiError', 200],
  ['{"success":false,"data":{"items":[]}}', 'ApiError', 200],
  ['{"ok":false,"reason":"no"}', 'ApiError', 200],
  ['{"status":"error","message":"bad"}', 'ApiError', 200],
  ['{"object":"error","message":"bad","type":"BadRequestError","code":400}', 'InvalidRequestError', 400],
  ['{"error_code":50002,"text":"bad"}', 'ApiError', 200],
  ['{"error_code":17,"error_msg":"daily limit"}', 'ApiError', 200],
  ['{"errcode":40001,"errmsg":"invalid credential"}', 'ApiError', 200],
  ['{"message":"session expired"}', 'ApiError', 200],
  ['{"name":"TokenExpired","message":"jwt expired"}', 'ApiError', 200],
  ['{"code":-1,"data":null}', 'ApiError', 200],
  ['{"code":"NOT_LOGIN","data":null}', 'ApiError', 200],
  ['{"id":"SessionExpired","message":"session expired"}', 'AuthenticationError', 401],
  ['{"id":"KeyLimitReached","message":"at most 5 keys"}', 'ApiError', 200],
  ['{"msg":"session expired"}', 'ApiError', 200],
  ['{"title":"Forbidden","status":403}', 'PermissionDeniedError', 403],
  ['{"error_code":401,"error_msg":"expired"}', 'AuthenticationError', 401],
  ['{"error":403,"message":"no"}', 'PermissionDeniedError', 403],
  // Beside an error, the contract's fields can be present, but empty.
  [`{${EMPTY},"code":40101,"message":"token expired"}`, 'ApiError', 200],
  [`{${EMPTY},"page":{"total":0},"object":"list","code":"NOT_LOGIN","msg":"expired"}`, 'ApiError', 200],
  [`{${EMPTY},"message":"session expired"}`, 'ApiError', 200],
  [`{${EMPTY},"success":"false"}`, 'ApiError', 200],
  [`{${EMPTY},"status":false}`, 'ApiError', 200],
  [`{"id":"key-1","name":"a","key":"${KEY}","allowed":true,"code":1,"message":"no"}`, 'ApiError', 200],
  ['[{"error":{"code":401,"message":"bad","status":"UNAUTHENTICATED"}}]', 'AuthenticationError', 401],
];

/** Bodies that are neither an error nor a response of the contract. */
const UNEXPECTED = [
  '{"code":0,"msg":"ok"}',
  '{"code":"0000","msg":"done"}',
  '{"code":200,"message":"success"}',
  '{"success":true}',
  '{"result":{}}',
  '{"hello":"world"}',
  'null',
  '[]',
  '""',
  'true',
  '12',
  '',
  ' ',
  '<!doctype html><title>Sign in</title>',
  'Service is starting',
  '{"items":',
];

/** A response with this body. Streams receive JSON too, because gateways send it. */
const respond = (body: string) => async (): Promise<Response> =>
  new Response(body, { headers: { 'content-type': 'application/json' } });

describe('a 200 response', () => {
  it.each(everyMethod(REPORTED))(
    'to %s that reports an error rejects: %s is %s %i',
    async (name, body, error, status, { call }) => {
      const rejection = await call({ fetch: respond(body) }, options).catch((thrown: unknown) => thrown);

      expect(rejection, name).toBeInstanceOf(DrunError);
      // If a body has no message, the error shows the body.
      const message = expect.not.stringContaining('gives no reason');
      expect(rejection).toMatchObject({ name: error, status, message });
    },
  );

  it.each(everyMethod(UNEXPECTED.map((body) => [body] as const)))(
    'to %s that violates the contract rejects: %s',
    async (_, body, { name, call }) => {
      const rejection = await call({ fetch: respond(body) }, options).catch((thrown: unknown) => thrown);

      // The outcome of a create is unknown.
      if (name.endsWith('.create')) expect(rejection).toMatchObject({ name: 'UnknownOutcomeError' });
      // The gateway sends an empty stream if the model server fails before the first chunk.
      else if (name.includes('.stream') && body.trim() === '') {
        expect(rejection).toMatchObject({ name: 'StreamTruncatedError' });
      } else expect(rejection).toMatchObject({ name: 'InvalidResponseError' });
    },
  );

  it.each(KEY_METHODS.filter(({ name }) => /list|usage|canCreate|prune/.test(name)))(
    'to $name may be an empty message, because protobuf omits zero values',
    async ({ call }) => {
      await expect(call({ fetch: respond('{}') }, options)).resolves.toBeDefined();
    },
  );

  it.each(METHODS.filter(({ name }) => !/list|usage|canCreate|prune|delete|replace|create/.test(name)))(
    'to $name must not be an empty message',
    async ({ call }) => {
      await expect(call({ fetch: respond('{}') }, options)).rejects.toMatchObject({
        name: 'InvalidResponseError',
      });
    },
  );

  it('that starts with an error rejects with that error', async () => {
    const keys = new ApiKeys({
      accessToken: TOKEN,
      fetch: respond('{"error":{"message":"cut off","code":401'),
    });

    await expect(keys.canCreate()).rejects.toMatchObject({ name: 'AuthenticationError', status: 401 });
  });

  it('that reports an error makes replace() neither delete nor create a key', async () => {
    const sent: string[] = [];
    const fetch = async (_: string, { method = 'GET' }: RequestInit): Promise<Response> => {
      sent.push(method);
      return json({ code: 401, msg: 'token expired', data: null });
    };
    const keys = new ApiKeys({ accessToken: TOKEN, fetch });

    await expect(keys.replace('key-1')).rejects.toMatchObject({ name: 'AuthenticationError' });

    expect(sent.at(-1)).toBe('DELETE');
    expect(sent).not.toContain('POST');
  });

  it('that reports an error is not counted as a deletion by prune()', async () => {
    const fetch = async (_: string, { method }: RequestInit): Promise<Response> =>
      method === 'DELETE'
        ? json({ code: 403, msg: 'no' })
        : json({ items: [{ id: 'key-1', creationTimestamp: '2020-01-01T00:00:00Z' }], page: { total: 1 } });
    const keys = new ApiKeys({ accessToken: TOKEN, fetch });

    const [pruned] = await keys.prune({ olderThanMs: 1 }, { dryRun: false });

    expect(pruned).toMatchObject({ outcome: 'failed', error: { name: 'PermissionDeniedError' } });
  });
});
