import { runInNewContext } from 'node:vm';
import { toStandardJsonSchema } from '@valibot/to-json-schema';
import { type } from 'arktype';
import { ConfigurationError } from 'drun-sdk/errors';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import * as mini from 'zod/mini';
import { rejectionOf } from '../support/failures.ts';
import { json } from '../support/network.ts';
import { chatClient, completion } from './requests.ts';

const request = { model: 'm', messages: [{ role: 'user' as const, content: 'a' }] };

interface Sent {
  readonly schema: object;
  readonly strict: boolean;
}

/** Returns the JSON Schema in the request for a schema. */
async function sent(schema: object, options: { readonly strict?: boolean } = {}): Promise<Sent> {
  let body = '';
  const fetch = async (_: string, init: RequestInit): Promise<Response> => {
    body = String(init.body);
    const message = {
      role: 'assistant',
      tool_calls: [{ id: 'c', function: { name: 'f', arguments: '{}' } }],
    };
    return json(completion({ choices: [{ index: 0, message, finish_reason: 'tool_calls' }] }));
  };
  await chatClient({ fetch }).parse(request, { schema, ...options });
  return JSON.parse(body).response_format.json_schema;
}

const closed = (properties: object, required = Object.keys(properties)): object => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});
const string = { type: 'string' };
const valibot = (schema: v.GenericSchema): object => toStandardJsonSchema(schema);
const recursive = z.object({
  value: z.string(),
  get next() {
    return recursive.nullable();
  },
});
const endless = z.object({
  get next() {
    return endless;
  },
});

const Shared = z.object({ a: z.string() }).meta({ id: 'Shared' });
const A = closed({ t: { type: 'string', const: 'a' } });
const B = closed({ t: { type: 'string', const: 'b' }, x: { type: 'number' } });

describe('a schema', () => {
  it.each<[string, object, object]>([
    ['an object', z.object({ a: z.string() }), closed({ a: string })],
    ['an object of zod/mini', mini.object({ a: mini.string() }), closed({ a: string })],
    [
      'a discriminated union',
      z.object({
        u: z.discriminatedUnion('t', [
          z.object({ t: z.literal('a') }),
          z.object({ t: z.literal('b'), x: z.number() }),
        ]),
      }),
      closed({ u: { anyOf: [A, B] } }),
    ],
    [
      'a variant',
      valibot(v.variant('t', [v.object({ t: v.literal('a') }), v.object({ t: v.literal('b') })])),
      { anyOf: [closed({ t: { const: 'a' } }), closed({ t: { const: 'b' } })] },
    ],
    [
      'nullish, defaulted and optional fields',
      z.object({ a: z.string().nullish(), b: z.string().default('x'), c: z.string().optional() }),
      closed({ a: { type: ['string', 'null'] }, b: string, c: string }, ['a', 'b']),
    ],
    [
      'nullish and defaulted fields of valibot',
      valibot(v.object({ a: v.nullish(v.string()), b: v.optional(v.string(), 'x') })),
      closed({ a: { anyOf: [string, { type: 'null' }] }, b: string }),
    ],
    ['a root with an id', z.object({ a: z.string() }).meta({ id: 'Root' }), closed({ a: string })],
    [
      'an intersection with a part that has an id',
      z.object({ a: z.string() }).and(z.object({ b: z.string() }).meta({ id: 'Part' })),
      closed({ a: string, b: string }),
    ],
    [
      'an intersection of closed objects',
      z.strictObject({ a: z.string() }).and(z.strictObject({ b: z.string() })),
      closed({ a: string, b: string }),
    ],
    [
      'an intersection of valibot',
      valibot(v.intersect([v.object({ a: v.string() }), v.object({ a: v.string(), b: v.string() })])),
      closed({ a: string, b: string }),
    ],
    [
      'an intersection with a union',
      z.object({ a: z.string() }).and(z.union([z.object({ b: z.string() }), z.object({ c: z.string() })])),
      { anyOf: [closed({ a: string, b: string }), closed({ a: string, c: string })] },
    ],
    [
      'an intersection within a field',
      z.object({ x: z.object({ a: z.string() }).and(z.object({ b: z.string() })) }),
      closed({ x: closed({ a: string, b: string }) }),
    ],
    [
      'objects in the rest of a tuple',
      z.object({ t: z.tuple([z.string()], z.object({ a: z.string() })) }),
      closed({
        t: { type: 'array', prefixItems: [string], items: closed({ a: string }), minItems: 1 },
      }),
    ],
    [
      'an intersection of arrays with different limits',
      z.object({ l: z.array(z.string().min(2)).and(z.array(z.string().min(3))) }),
      closed({ l: { type: 'array', items: { type: 'string', minLength: 3 } } }),
    ],
    [
      'a tuple',
      z.object({ t: z.tuple([z.string(), z.number()]) }),
      closed({
        t: { type: 'array', prefixItems: [string, { type: 'number' }], minItems: 2, maxItems: 2 },
      }),
    ],
    [
      'a strict tuple of valibot',
      valibot(v.object({ t: v.strictTuple([v.string()]) })),
      closed({ t: { type: 'array', prefixItems: [string], minItems: 1, maxItems: 1 } }),
    ],
    [
      'a tuple of arktype with an optional element',
      type({ t: ['string', 'string?'] }),
      closed({ t: { type: 'array', prefixItems: [string, string], minItems: 1, maxItems: 2 } }),
    ],
    [
      'checks of valibot that JSON Schema lacks',
      valibot(
        v.object({
          a: v.pipe(
            v.string(),
            v.trim(),
            v.minLength(1),
            v.check(() => true),
          ),
        }),
      ),
      closed({ a: { type: 'string', minLength: 1 } }),
    ],
    ['a string of arktype that is converted', type({ at: 'string.date.parse' }), closed({ at: string })],
    [
      'a field of arktype that may be undefined',
      type({ 'a?': 'string | undefined' }),
      { type: 'object', properties: { a: { anyOf: [string] } }, additionalProperties: false },
    ],
    [
      'objects in an array',
      z.object({ l: z.array(z.object({ a: z.string() })) }),
      closed({ l: { type: 'array', items: closed({ a: string }) } }),
    ],
    [
      'a nullable object',
      z.object({ n: z.object({ a: z.string() }).nullable() }),
      closed({ n: { anyOf: [closed({ a: string }), { type: 'null' }] } }),
    ],
    [
      'an open object',
      z.object({ o: z.looseObject({ a: z.string() }) }),
      closed({ o: { type: 'object', properties: { a: string }, required: ['a'], additionalProperties: {} } }),
    ],
    [
      'a record',
      z.object({ r: z.record(z.string(), z.number()) }),
      closed({ r: { type: 'object', additionalProperties: { type: 'number' } } }),
    ],
    [
      'a record of enum keys',
      z.object({ r: z.record(z.enum(['a', 'b']), z.number()) }),
      closed({ r: closed({ a: { type: 'number' }, b: { type: 'number' } }) }),
    ],
    [
      'a partial record of enum keys',
      z.object({ r: z.partialRecord(z.enum(['a', 'b']), z.number()) }),
      closed({
        r: {
          type: 'object',
          properties: { a: { type: 'number' }, b: { type: 'number' } },
          additionalProperties: false,
        },
      }),
    ],
    [
      'a record of one literal key',
      z.object({ r: z.record(z.literal('a'), z.number()) }),
      closed({ r: closed({ a: { type: 'number' } }) }),
    ],
    ['an empty tuple', z.object({ t: z.tuple([]) }), closed({ t: { type: 'array', maxItems: 0 } })],
    [
      'a pattern with and a pattern without lookaround',
      z.object({
        p: z
          .string()
          .regex(/^(?!x)/)
          .regex(/a$/),
      }),
      closed({ p: { type: 'string', pattern: 'a$' } }),
    ],
    [
      'two patterns',
      z.object({ p: z.string().regex(/^a/).regex(/b$/) }),
      closed({ p: { type: 'string', pattern: '^a' } }),
    ],
    [
      'a definition with a default',
      z.object({ a: z.string().default('x').meta({ id: 'Defaulted' }) }),
      closed({ a: { $ref: '#/$defs/Defaulted' } }),
    ],
    ['a pattern with lookaround', z.object({ p: z.string().regex(/^(?!x)a$/) }), closed({ p: string })],
    [
      'a format whose pattern has lookaround',
      z.object({ h: z.hostname() }),
      closed({ h: { type: 'string', format: 'hostname' } }),
    ],
    ['a URL', z.object({ u: z.url() }), closed({ u: string })],
    [
      'a format of zod/mini',
      mini.object({ e: mini.nanoid() }),
      closed({ e: { type: 'string', pattern: expect.any(String) } }),
    ],
    [
      'a date',
      valibot(v.object({ d: v.pipe(v.string(), v.isoDate()) })),
      closed({ d: { type: 'string', format: 'date' } }),
    ],
    [
      'an object of arktype',
      type({ a: 'string', c: 'string|null' }),
      closed({ a: string, c: { anyOf: [string, { type: 'null' }] } }),
    ],
    ['any object of arktype', type({ o: 'object' }), closed({ o: { type: 'object' } })],
  ])('is sent in a form that servers accept: %s', async (_, schema, expected) => {
    const { $defs, ...received } = (await sent(schema)).schema as Record<string, unknown>;
    expect(received).toEqual(expected);
  });

  it('that is recursive is sent with its reference', async () => {
    const { schema } = await sent(recursive);

    expect(schema).toMatchObject({ properties: { next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } } });
  });

  it('in JSON is sent unchanged', async () => {
    const raw = {
      type: 'object',
      properties: { a: { type: 'string', default: 'x' } },
      allOf: [{ required: ['a'] }],
    };

    expect((await sent(raw)).schema).toEqual(raw);
  });

  it.each<[string, object, boolean]>([
    ['an object', z.object({ a: z.string(), l: z.array(z.int()) }), true],
    ['nested objects and enums', z.object({ o: z.object({ e: z.enum(['a', 'b']) }).nullable() }), true],
    ['a reference', recursive, true],
    ['a reference with a description', z.object({ a: Shared, b: Shared.describe('b') }), false],
    ['an optional field', z.object({ a: z.string().optional() }), false],
    ['a record', z.object({ r: z.record(z.string(), z.number()) }), false],
    ['a tuple', z.object({ t: z.tuple([z.string()]) }), false],
    ['a pattern', z.object({ p: z.string().regex(/a/) }), false],
    ['an open object', z.looseObject({ a: z.string() }), false],
    ['anything', z.object({ a: z.unknown() }), false],
    ['an array', z.array(z.string()), false],
    ['a union', z.union([z.object({ a: z.string() }), z.object({ b: z.string() })]), false],
    ['a JSON Schema with an open object', { type: 'object', properties: { a: string } }, false],
    ['a closed JSON Schema', closed({ a: string }), true],
  ])('is strict if the strict mode of OpenAI can express it: %s', async (_, schema, strict) => {
    expect((await sent(schema)).strict).toBe(strict);
    expect((await sent(schema, { strict: !strict })).strict).toBe(!strict);
  });

  it.each<[string, object]>([
    ['never', z.never()],
    ['a required field of type never', z.object({ a: z.never() })],
    ['an intersection of a string and a number', z.string().and(z.number())],
    ['a field of two literals', z.object({ a: z.literal('x') }).and(z.object({ a: z.literal('y') }))],
    ['an object that requires itself', endless],
    ['contradicting limits', z.object({ a: z.string().min(3).max(2) })],
    ['contradicting exclusive limits', z.object({ a: z.number().gt(3).lt(2) })],
    ['a JSON Schema without a value', { type: 'object', required: ['a'], properties: { a: false } }],
    ['a JSON Schema with an empty enum', { enum: [] }],
  ])('that no value can match throws: %s', async (_, schema) => {
    const error = await rejectionOf(ConfigurationError, sent(schema));

    expect(error.message).toContain('no value');
    expect(error.option).toBe('schema');
  });

  it.each<[string, object, string]>([
    ['a date of zod', z.object({ at: z.date() }), 'Date'],
    ['a date of zod/mini', mini.object({ at: mini.date() }), 'Date'],
    ['a date of arktype', type({ at: 'Date' }), 'Date'],
    ['a bigint of arktype', type({ a: 'bigint' }), 'bigint'],
    ['a function in an array of arktype', type({ a: 'Function[]' }), 'Function'],
    ['a symbol in a union of arktype', type({ a: 'string | symbol' }), 'symbol'],
    ['a date in a union of arktype', type({ at: 'string | Date' }), 'Date'],
    ['NaN of arktype', type({ a: 'number.NaN' }), 'NaN'],
    ['a literal date of arktype', type({ a: "d'2026-01-01'" }), '2026'],
    ['a class of arktype', type({ a: type.instanceOf(URL) }), 'URL'],
    ...(
      [
        ['a file', z.file(), mini.file(), v.file()],
        ['an optional file', z.file().optional(), mini.optional(mini.file()), v.optional(v.file())],
        [
          'a map',
          z.map(z.string(), z.string()),
          mini.map(mini.string(), mini.string()),
          v.map(v.string(), v.string()),
        ],
        ['a set', z.set(z.string()), mini.set(mini.string()), v.set(v.string())],
        ['a bigint', z.bigint(), mini.bigint(), v.bigint()],
        ['undefined', z.undefined(), mini.undefined(), v.undefined()],
        ['a symbol', z.symbol(), mini.symbol(), v.symbol()],
        ['a function', z.function() as never, mini.function() as never, v.function()],
        ['a class', z.instanceof(URL), mini.instanceof(URL), v.instance(URL)],
        ['NaN', z.nan(), mini.nan(), v.nan()],
        ['a literal bigint', z.literal(1n), mini.literal(1n), v.literal(1n)],
      ] as [string, z.ZodType, mini.ZodMiniType, v.GenericSchema][]
    ).flatMap(([name, ofZod, ofMini, ofValibot]): [string, object, string][] => [
      [`${name} of zod`, z.object({ a: ofZod }), 'JSON'],
      [`${name} of zod/mini`, mini.object({ a: ofMini }), 'JSON'],
      [`${name} of valibot`, valibot(v.object({ a: ofValibot })), 'JSON'],
    ]),
    ['a schema of zod 3', { _def: {}, parse: () => 1 }, 'zod 4'],
    [
      'a schema of zod 3 with the standard interface',
      { _def: {}, '~standard': { version: 1, vendor: 'zod', validate: () => ({}) } },
      'zod 4',
    ],
    ['a plain schema of valibot', v.object({ a: v.string() }), '@valibot/to-json-schema'],
    ['an instance of a class', new URL('https://d.run'), 'Standard Schema'],
    ['a string', 'object' as never, 'Standard Schema'],
  ])('that has no JSON Schema throws: %s', async (_, schema, message) => {
    const error = await rejectionOf(ConfigurationError, sent(schema));

    expect(error.message).toContain(message);
  });

  it('of arktype may have a literal or a pattern with the name of a class', async () => {
    expect((await sent(type({ a: "'Date'" }))).schema).toEqual(closed({ a: { const: 'Date' } }));
    expect((await sent(type({ Map: '/Date/' }))).schema).toEqual(
      closed({ Map: { type: 'string', pattern: 'Date' } }),
    );
  });

  it('in JSON may be an object of another realm or without a prototype', async () => {
    const raw = { type: 'object' };
    const foreign = runInNewContext('({ type: "object" })');

    expect((await sent(foreign)).schema).toEqual(raw);
    expect((await sent(Object.assign(Object.create(null), raw))).schema).toEqual(raw);
  });

  it('in the response_format of a request is converted to JSON Schema', async () => {
    let body = '';
    const fetch = async (_: string, init: RequestInit): Promise<Response> => {
      body = String(init.body);
      return json(completion());
    };

    await chatClient({ fetch }).complete({ ...request, response_format: z.object({ a: z.string() }) });

    expect(JSON.parse(body).response_format).toEqual({
      type: 'json_schema',
      json_schema: { name: 'answer', strict: true, schema: closed({ a: string }) },
    });
  });
});
