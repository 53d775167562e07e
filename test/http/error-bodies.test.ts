import { ApiError, type CallOptions } from 'drun-sdk';
import { describe, expect, it } from 'vitest';
import { KEY, MASKED_KEY } from '../support/credentials.ts';
import { everyMethod, METHODS, type Method } from '../support/every-method.ts';
import { rejectionOf } from '../support/failures.ts';

const options: CallOptions = { maxRetries: 0 };

const failWith = (method: Method, body: BodyInit, status = 400): Promise<ApiError> =>
  rejectionOf(ApiError, method.call({ fetch: async () => new Response(body, { status }) }, options));

/** Returns the message of an error without method, path and status. */
const reasonOf = ({ message }: ApiError): string => message.replace(/^.*? failed with \d+: /, '');

const [method] = METHODS;
if (method === undefined) throw new Error('there are methods');

/** Bodies of error responses from public reports, and the message in each. */
const SHAPES: [body: string, message: string, fields?: object][] = [
  [
    '{"error":{"message":"bad","code":"x","type":"y","param":"z"}}',
    'bad',
    { serviceCode: 'x', serviceType: 'y', param: 'z' },
  ],
  ['{"error":{"message":"bad","code":null,"param":null,"type":""}}', 'bad'],
  ['{"error":{"msg":"bad","code":7}}', 'bad', { serviceCode: '7' }],
  ['{"error":"bad"}', 'bad'],
  ['{"error":"bad","error_type":"validation"}', 'bad', { serviceType: 'validation' }],
  ['{"error":"bad","code":"x"}', 'bad', { serviceCode: 'x' }],
  ['{"error":"invalid_token","error_description":"it expired"}', 'it expired'],
  ['[{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}]', 'bad', { serviceCode: '400' }],
  [
    '{"object":"error","message":"bad","type":"BadRequestError","param":null,"code":400}',
    'bad',
    { serviceType: 'BadRequestError' },
  ],
  ['{"message":"bad"}', 'bad'],
  ['{"id":"SomeError","message":"bad"}', 'bad', { serviceCode: 'SomeError' }],
  ['{"msg":"bad","code":1001}', 'bad', { serviceCode: '1001' }],
  ['{"error_msg":"bad","error_code":17}', 'bad', { serviceCode: '17' }],
  ['{"errmsg":"bad","errcode":40001}', 'bad', { serviceCode: '40001' }],
  ['{"errors":[{"message":"bad"}]}', 'bad'],
  ['{"errors":["bad","worse"]}', 'bad; worse'],
  ['{"errors":[{"message":"bad"},{"message":"worse"}]}', 'bad'],
  ['{"detail":"bad"}', 'bad'],
  ['{"detail":{"error":{"message":"bad","code":"x"}}}', 'bad', { serviceCode: 'x' }],
  ['{"detail":{"message":"bad"}}', 'bad'],
  ['{"detail":{"reason":"bad"}}', 'bad'],
  [
    '{"detail":[{"loc":["body","messages",0],"msg":"field required","type":"missing"}]}',
    'body.messages.0: field required',
  ],
  ['{"detail":[{"loc":["body"],"msg":"a"},{"loc":["query","n"],"msg":"b"}]}', 'body: a; query.n: b'],
  [
    '{"detail":[{"loc":["body"],"msg":"too long","input":{"prompt":"SECRET"},"ctx":{"error":"SECRET"}}]}',
    'body: too long',
  ],
  ['{"title":"bad","status":400}', 'bad'],
  ['{"type":"about:blank","title":"Bad Request","detail":"bad"}', 'bad'],
  ['{"error":{"message":{"text":"bad","message":"worse"}}}', 'worse'],
  ['{"error":{"message":{"errors":["bad"]}}}', 'bad'],
  ['{"error":{"message":"{\\"detail\\":\\"bad\\"}"}}', '{"detail":"bad"}'],
  ['{"statusCode":400,"error":"Bad Request","message":"n must be 1"}', 'n must be 1'],
  ['{"success":false,"message":"bad"}', 'bad'],
  ['{"fault":{"faultstring":"bad"}}', '{"fault":{"faultstring":"bad"}}'],
  ['{"hello":"world"}', '{"hello":"world"}'],
  ['"bad"', 'bad'],
  ['bad', 'bad'],
  ['  bad\n', 'bad'],
  ['Bad.', 'Bad'],
  ['\uFEFF{"error":"bad"}', 'bad'],
  ['data: {"error":{"message":"bad","code":"x"}}\n\ndata: [DONE]\n\n', 'bad', { serviceCode: 'x' }],
  ['event: error\ndata: {"message":"bad"}\n\n', 'bad'],
  [': ping\n\ndata: null\n\ndata: bad\n\n', 'bad'],
  ['<html><head><title>502 Bad Gateway</title></head></html>', '502 Bad Gateway'],
  ['<!doctype html>\n<h1>Forbidden</h1>', 'Forbidden'],
  [
    '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>',
    'Access Denied',
  ],
  ['{"error":{"message":"bad","code":"x","type":"y"', 'bad', { serviceCode: 'x', serviceType: 'y' }],
  ['{"error": {"message": "bad \\"quoted\\" text', 'bad "quoted" text'],
  ['{"code": 17, "msg": "bad", "data": {broken', 'bad', { serviceCode: '17' }],
  ['', 'the response gives no reason'],
  [' \n', 'the response gives no reason'],
];

describe('the message of an error response', () => {
  it.each(SHAPES)('of %s is %s', async (body, message, fields = {}) => {
    const error = await failWith(method, body);

    expect(reasonOf(error)).toBe(/[.…]$/.test(message) ? message : `${message}.`);
    expect(error).toMatchObject(fields);
  });

  it.each([
    '{"id":"chatcmpl-1","error":"bad"}',
    '{"id":"chatcmpl-1","choices":[],"error":{"message":"bad"}}',
  ])('does not treat the id of a completion as a code: %s', async (body) => {
    const error = await failWith(method, body);

    expect(reasonOf(error)).toBe('bad.');
    expect(error.serviceCode).toBeUndefined();
  });

  it.each(everyMethod(SHAPES.slice(0, 3).map(([body]) => [body] as const)))(
    'is in the error of %s: %s',
    async (_, body, called) => {
      expect((await failWith(called, body)).message).toContain('bad');
    },
  );

  it.each([
    ['at its start', (filler: string) => `{"error":{"message":"bad","code":"x"},"input":"${filler}"}`],
    [
      'with nested fields first',
      (filler: string) => `{"error":{"type":"y","message":"bad","code":"x","body":"${filler}"}}`,
    ],
    [
      'in a validation',
      (filler: string) =>
        `{"detail":[{"type":"missing","loc":["body"],"msg":"bad","code":"x","input":"${filler}"}]}`,
    ],
  ])('is found in a body over 64 KiB: %s', async (_, body) => {
    const error = await failWith(method, body('prompt '.repeat(20_000)));

    expect(error.message).toContain('bad');
    expect(error.serviceCode).toBe('x');
    expect(error.message).not.toContain('prompt');
  });

  it('is read only from the first 64 KiB', async () => {
    let canceled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) =>
        controller.enqueue(new TextEncoder().encode(`{"error":"bad","x":"${'x'.repeat(9_000)}`)),
      cancel: () => {
        canceled = true;
      },
    });

    expect((await failWith(method, endless)).message).toContain('bad');
    expect(canceled).toBe(true);
  });

  it.each([
    [
      'Pydantic',
      "1 validation error\n  bad [type=missing, input_value={'messages': [{'content': 'SECRET, ]'}]}, input_type=dict]",
    ],
    [
      'a repr of an array',
      "[{'type': 'missing', 'msg': 'bad', 'input': {'a': [1, 'SECRET'], 'b': \"it's SECRET\"}, 'url': 'u'}]",
    ],
    ['a repr with ctx', "[{'msg': 'bad', 'ctx': {'error': ValueError('SECRET')}}]"],
    ['JSON in a string', '[{"msg": "bad", "input": "SECRET, \\" SECRET"}]'],
    ['an unterminated value', "bad: input_value={'a': 'SECRET"],
  ])('does not show input that the server includes: %s', async (_, text) => {
    for (const body of [
      text,
      JSON.stringify({ error: { message: text } }),
      JSON.stringify({ unknown: text }),
    ]) {
      const error = await failWith(method, body);

      expect(error.message).toContain('bad');
      expect(`${error.message} ${error.excerpt}`).not.toContain('SECRET');
    }
  });

  it('is the redacted start of a body of unknown shape, which is also in `excerpt`', async () => {
    const error = await failWith(method, JSON.stringify({ unknown: `${KEY} ${'x'.repeat(1_000)}` }));

    expect(reasonOf(error)).toMatch(/^\{"unknown":"sk-\*{6}7ucU x{150,}…$/);
    expect(error.excerpt).toMatch(/^\{"unknown":"sk-\*{6}7ucU x{400,}…$/);
    expect(Object.keys(error)).not.toContain('excerpt');
    expect(error.excerpt).not.toContain(KEY.slice(3, 15));
  });

  it('is redacted and limited to 500 characters', async () => {
    const error = await failWith(method, JSON.stringify({ message: `${KEY}${' x'.repeat(1_000)}` }));

    expect(error.message).toContain(MASKED_KEY);
    expect(reasonOf(error)).toHaveLength(501);
  });

  it.each([
    [401, 'the credential is unknown, deleted, disabled, expired, or belongs to another host.'],
    [402, 'the quota is used up.'],
    [403, 'the credential does not permit this request.'],
  ])('of an empty %i explains the status', async (status, reason) => {
    expect(reasonOf(await failWith(method, '', status))).toBe(reason);
  });
});

describe('an ApiError', () => {
  it.each(METHODS.map((called) => [called.name, called] as const))(
    'of %s has the URL without its query',
    async (_, called) => {
      const { url } = await failWith(called, '{}');

      expect(url).toMatch(/^https:\/\/(?:chat|console)\.d\.run\/[\w/.-]+$/);
    },
  );

  it.each([
    [400, 'InvalidRequestError'],
    [401, 'AuthenticationError'],
    [402, 'InsufficientQuotaError'],
    [403, 'PermissionDeniedError'],
    [404, 'NotFoundError'],
    [405, 'ApiError'],
    [409, 'ApiError'],
    [413, 'ApiError'],
    [418, 'ApiError'],
    [422, 'InvalidRequestError'],
    [429, 'RateLimitError'],
    [500, 'ServerError'],
    [502, 'ServerError'],
    [529, 'ServerError'],
  ])('has the class of its status: %i is %s', async (status, name) => {
    expect(await failWith(method, '{}', status)).toMatchObject({ name, status });
  });

  it.each([
    '{"error":{"message":"used up","code":"insufficient_quota"}}',
    '{"error":{"message":"used up","type":"insufficient_quota"}}',
  ])('is an InsufficientQuotaError for a 429 that says so, and is not retried: %s', async (body) => {
    let requests = 0;
    const fetch = async (): Promise<Response> => {
      requests++;
      return new Response(body, { status: 429 });
    };

    await expect(method.call({ fetch })).rejects.toMatchObject({
      name: 'InsufficientQuotaError',
      status: 429,
    });
    expect(requests).toBe(1);
  });

  it.each(['x-request-id', 'request-id', 'x-trace-id', 'x-litellm-call-id'])(
    'has the request id from %s',
    async (header) => {
      const fetch = async (): Promise<Response> =>
        new Response('{}', { status: 400, headers: { [header]: 'req-1' } });

      await expect(method.call({ fetch }, options)).rejects.toMatchObject({ requestId: 'req-1' });
    },
  );
});

/* Servers control the bodies. Parsing must take linear time: quadratic time would be seconds to minutes here. */
describe('a hostile error body', () => {
  it.each([
    ['backslashes', '\\'],
    ['escaped quotation marks', '\\"'],
    ['unterminated tags', '<title'],
    ['nested events', 'data:'],
    ['nested arrays', '['],
    ['nested objects', '{"error":'],
    ['unterminated messages', '{"message":"'],
    ['input', '"input":'],
    ['bodies', 'body '],
    ['white space', ' \n'],
    ['schemes', 'Bearer '],
  ])('is read in linear time: %s', { timeout: 20_000 }, async (_, unit) => {
    for (const body of [unit.repeat(65_536 / unit.length), `x${unit.repeat(65_536 / unit.length)}`]) {
      await failWith(method, body);
      await failWith(method, JSON.stringify({ message: body }));
    }
  });

  it('cannot turn the error into anything other than an error of the service', async () => {
    for (const body of ['data:'.repeat(20_000), '['.repeat(60_000), '{"error":'.repeat(7_000)]) {
      expect(await failWith(method, body, 503)).toMatchObject({ name: 'ServerError', status: 503 });
    }
  });
});
