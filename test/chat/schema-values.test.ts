import { isDeepStrictEqual } from 'node:util';
import { toStandardJsonSchema } from '@valibot/to-json-schema';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { type } from 'arktype';
import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import * as mini from 'zod/mini';
import { json } from '../support/network.ts';
import { chatClient, completion } from './requests.ts';

const request = { model: 'm', messages: [{ role: 'user' as const, content: 'a' }] };

interface Parsed {
  /** The schema in the request. */
  readonly sent: Record<string, unknown>;
  readonly parsed: unknown;
}

/** Calls `parse()` with a reply that contains this value. */
async function parse(schema: object, value: unknown): Promise<Parsed> {
  let body = '';
  const fetch = async (_: string, init: RequestInit): Promise<Response> => {
    body = String(init.body);
    const message = { role: 'assistant', content: JSON.stringify(value) };
    return json(completion({ choices: [{ index: 0, message, finish_reason: 'stop' }] }));
  };
  const { parsed } = await chatClient({ fetch }).parse<object>(request, { schema });
  return { sent: JSON.parse(body).response_format.json_schema.schema, parsed };
}

/** Returns the validation errors of Ajv, or `undefined` if a value is valid. */
function ajvErrors(schema: Record<string, unknown>, value: unknown): string | undefined {
  const options = { strict: false, validateFormats: false, allErrors: true };
  const ajv = /2020-12|prefixItems/.test(JSON.stringify(schema)) ? new Ajv2020(options) : new Ajv(options);
  return ajv.validate(schema, value) ? undefined : ajv.errorsText();
}

const standard = (schema: v.GenericSchema): object => toStandardJsonSchema(schema);

const Category = z.object({
  name: z.string(),
  get children() {
    return z.array(Category);
  },
});
const Leaf = z.object({ kind: z.literal('leaf'), value: z.number() });
const Tree = z.object({
  kind: z.literal('tree'),
  get nodes(): z.ZodArray<z.ZodUnion<[typeof Leaf, typeof Tree]>> {
    return z.array(z.union([Leaf, Tree]));
  },
}) as z.ZodObject;
const Address = z.object({ street: z.string(), city: z.string() }).meta({ id: 'Address' });
const Id = z.object({ id: z.string() }).meta({ id: 'Id' });
const Money = z.object({ amount: z.number(), currency: z.enum(['EUR', 'CNY']) }).meta({ id: 'Money' });

/** An object with twelve optional fields of its own type. */
function recursiveFields(description: string): z.ZodObject {
  const schema: z.ZodObject = z.object(
    Object.defineProperties(
      {},
      Object.fromEntries(
        Array.from({ length: 12 }, (_, field) => [
          `f${field}`,
          { enumerable: true, get: () => schema.optional().describe(description) },
        ]),
      ),
    ),
  );
  return schema;
}
const Nodes: z.ZodType[] = Array.from({ length: 25 }, (_, index) => {
  const node = (distance: number): z.ZodType => Nodes[(index + distance) % 25] as z.ZodType;
  return z
    .object({
      get a() {
        return z.union([node(3), node(5), z.null()]);
      },
      get b() {
        return z.union([node(7), node(2), z.null()]);
      },
    })
    .meta({ id: `Node${index}` });
});
const List: z.ZodObject = z.object({
  get next() {
    return List.optional();
  },
  get other() {
    return List.optional();
  },
});
const Pairs: z.ZodObject = z.object({
  get next() {
    return Pairs.optional();
  },
  get other() {
    return Pairs.optional();
  },
});

const zodTable: [string, z.ZodType, unknown][] = [
  [
    'a flat object',
    z.object({ a: z.string(), n: z.number(), i: z.int(), b: z.boolean() }),
    { a: '', n: 0.5, i: 1, b: true },
  ],
  ['an optional field that is absent', z.object({ a: z.string().optional() }), {}],
  ['an optional field that is present', z.object({ a: z.string().optional() }), { a: 'x' }],
  ['a nullish field', z.object({ a: z.string().nullish() }), { a: null }],
  ['a nullable object', z.object({ a: z.object({ b: z.string() }).nullable() }), { a: null }],
  [
    'a default',
    z.object({ a: z.string().default('x'), l: z.array(z.string()).default([]) }),
    { a: 'y', l: [] },
  ],
  ['a prefault', z.object({ a: z.string().prefault('x') }), { a: 'y' }],
  ['a default of an object', z.object({ o: z.object({ a: z.number() }).default({ a: 1 }) }), { o: { a: 2 } }],
  ['catch', z.object({ a: z.string().catch('x') }), { a: 'y' }],
  [
    'enums and literals',
    z.object({ e: z.enum(['a', 'b']), l: z.literal(['x', 1, true, null]) }),
    { e: 'b', l: null },
  ],
  ['a native enum', z.object({ e: z.enum({ A: 1, B: 2 }) }), { e: 2 }],
  [
    'bounds',
    z.object({ s: z.string().min(2).max(3), n: z.number().min(1).max(2), g: z.number().gt(1).lt(9) }),
    { s: 'ab', n: 2, g: 5 },
  ],
  [
    'formats',
    z.object({ u: z.uuid(), e: z.email(), d: z.iso.datetime() }),
    { u: '123e4567-e89b-42d3-a456-426614174000', e: 'a@example.com', d: '2026-01-01T00:00:00Z' },
  ],
  ['a pattern', z.object({ p: z.string().regex(/^a+$/) }), { p: 'aa' }],
  ['multiples', z.object({ n: z.number().multipleOf(5) }), { n: 10 }],
  ['arrays with bounds', z.object({ l: z.array(z.string()).min(1).max(2) }), { l: ['a'] }],
  ['a tuple', z.object({ t: z.tuple([z.string(), z.number()]) }), { t: ['a', 1] }],
  [
    'a tuple with a rest',
    z.object({ t: z.tuple([z.string()], z.object({ a: z.number() })) }),
    { t: ['a', { a: 1 }, { a: 2 }] },
  ],
  ['a record', z.object({ r: z.record(z.string(), z.number()) }), { r: { a: 1, b: 2 } }],
  ['a record of enum keys', z.object({ r: z.record(z.enum(['a', 'b']), z.number()) }), { r: { a: 1, b: 2 } }],
  ['a partial record', z.object({ r: z.partialRecord(z.enum(['a', 'b']), z.number()) }), { r: { a: 1 } }],
  ['a loose object', z.looseObject({ a: z.string() }), { a: 'x', b: 1 }],
  ['a strict object', z.strictObject({ a: z.string() }), { a: 'x' }],
  ['a catchall', z.object({ a: z.string() }).catchall(z.number()), { a: 'x', b: 1 }],
  ['a union', z.object({ u: z.union([z.string(), z.number(), z.null()]) }), { u: null }],
  ['a union at the root', z.union([z.object({ a: z.string() }), z.object({ b: z.string() })]), { b: 'x' }],
  [
    'a discriminated union',
    z.discriminatedUnion('t', [
      z.object({ t: z.literal('a'), x: z.number() }),
      z.object({ t: z.literal('b') }),
    ]),
    { t: 'b' },
  ],
  [
    'a nested discriminated union',
    z.object({
      l: z.array(
        z.discriminatedUnion('t', [
          z.object({ t: z.literal('a') }),
          z.object({ t: z.literal('b'), o: z.object({ z: z.string() }) }),
        ]),
      ),
    }),
    { l: [{ t: 'b', o: { z: '' } }, { t: 'a' }] },
  ],
  ['an intersection', z.object({ a: z.string() }).and(z.object({ b: z.number() })), { a: 'x', b: 1 }],
  ['an intersection with a part that has an id', z.object({ a: z.string() }).and(Id), { a: 'x', id: 'y' }],
  ['an intersection of parts that have ids', Address.and(Id), { street: 'a', city: 'b', id: 'c' }],
  [
    'an intersection in a field',
    z.object({ o: Address.and(Id), p: Address }),
    { o: { street: 'a', city: 'b', id: 'c' }, p: { street: 'a', city: 'b' } },
  ],
  [
    'an intersection in an array',
    z.object({ l: z.array(Address.and(Id)) }),
    { l: [{ street: 'a', city: 'b', id: 'c' }] },
  ],
  [
    'an intersection of intersections',
    Address.and(Id).and(z.object({ x: z.int() })),
    { street: 'a', city: 'b', id: 'c', x: 1 },
  ],
  [
    'an intersection with a union',
    z.object({ a: z.string() }).and(z.union([z.object({ b: z.string() }), z.object({ c: z.string() })])),
    { a: '', c: '' },
  ],
  [
    'an intersection of unions',
    z
      .union([z.object({ a: z.string() }), z.object({ b: z.string() })])
      .and(z.union([z.object({ c: z.string() }), z.object({ d: z.string() })])),
    { b: '', d: '' },
  ],
  [
    'an intersection with a discriminated union',
    Id.and(
      z.discriminatedUnion('t', [
        z.object({ t: z.literal('a'), x: z.number() }),
        z.object({ t: z.literal('b') }),
      ]),
    ),
    { id: '', t: 'a', x: 1 },
  ],
  [
    'an intersection with a record',
    z.object({ a: z.string() }).and(z.record(z.string(), z.string())),
    { a: 'x', b: 'y' },
  ],
  [
    'an intersection with a loose object',
    z.object({ a: z.string() }).and(z.looseObject({ b: z.string() })),
    { a: 'x', b: 'y' },
  ],
  [
    'an intersection that narrows a field',
    z.object({ a: z.string() }).and(z.object({ a: z.string().min(2) })),
    { a: 'xy' },
  ],
  [
    'an intersection of nested objects',
    z.object({ o: z.object({ a: z.string() }) }).and(z.object({ o: z.object({ b: z.string() }) })),
    { o: { a: '', b: '' } },
  ],
  ['an intersection of a number and an integer', z.object({ n: z.number().and(z.int()) }), { n: 1 }],
  ['an intersection of enums', z.object({ e: z.enum(['a', 'b']).and(z.enum(['b', 'c'])) }), { e: 'b' }],
  ['an intersection of a string and a literal', z.object({ e: z.string().and(z.literal('a')) }), { e: 'a' }],
  [
    'an intersection of an enum and a literal',
    z.object({ e: z.enum(['a', 'b']).and(z.literal('b')) }),
    { e: 'b' },
  ],
  [
    'an intersection of an optional and a required field',
    z.object({ a: z.string().optional() }).and(z.object({ a: z.string() })),
    { a: '' },
  ],
  ['an intersection of formats', z.object({ e: z.email().and(z.string().max(20)) }), { e: 'a@example.com' }],
  [
    'an intersection with anything',
    z.object({ a: z.unknown() }).and(z.object({ b: z.any() })),
    { a: 1, b: null },
  ],
  [
    'an intersection of arrays',
    z.object({ l: z.array(z.string()).and(z.array(z.string().min(1))) }),
    { l: ['a'] },
  ],
  [
    'an intersection of records',
    z.record(z.string(), z.object({ a: z.string() })).and(z.record(z.string(), z.object({ b: z.string() }))),
    { k: { a: '', b: '' } },
  ],
  [
    'an intersection of records of enum keys',
    z.record(z.enum(['a']), z.number()).and(z.record(z.enum(['b']), z.number())),
    { a: 1, b: 2 },
  ],
  [
    'an intersection of tuples',
    z.object({ t: z.tuple([z.object({ a: z.string() })]).and(z.tuple([z.object({ b: z.string() })])) }),
    { t: [{ a: '', b: '' }] },
  ],
  ['an intersection of recursive objects', List.and(Pairs), { next: { next: {}, other: {} } }],
  [
    'an intersection of objects with many recursive fields',
    recursiveFields('a').and(recursiveFields('b')),
    { f0: { f1: {} }, f11: {} },
  ],
  ['mutual recursion of many objects', Nodes[0] as z.ZodType, { a: null, b: { a: null, b: null } }],
  [
    'an intersection of numbers',
    z.object({ n: z.number().multipleOf(2).and(z.number().multipleOf(3)) }),
    { n: 6 },
  ],
  [
    'a shared definition',
    z.object({ home: Address, work: Address.optional() }),
    { home: { street: 'a', city: 'b' } },
  ],
  ['a definition that is nullish', z.object({ a: Address.nullish() }), { a: null }],
  [
    'a definition within a definition',
    z.object({ a: z.object({ m: Money }).meta({ id: 'Price' }) }),
    { a: { m: { amount: 1, currency: 'EUR' } } },
  ],
  ['a root whose id has a percent sign', z.object({ a: z.string() }).meta({ id: '100%' }), { a: '' }],
  ['a root with an id', Address, { street: 'a', city: 'b' }],
  [
    'a description',
    z.object({ a: Address.describe('where') }).describe('all'),
    { a: { street: '', city: '' } },
  ],
  ['recursion', Category, { name: 'a', children: [{ name: 'b', children: [] }] }],
  ['recursion in a field', z.object({ root: Category }), { root: { name: 'a', children: [] } }],
  [
    'recursion through a union',
    Tree,
    {
      kind: 'tree',
      nodes: [
        { kind: 'leaf', value: 1 },
        { kind: 'tree', nodes: [] },
      ],
    },
  ],
  [
    'recursion with an id',
    z.object({
      get next() {
        return Node1.nullable();
      },
    }),
    { next: { next: null } },
  ],
  ['a transform', z.object({ a: z.string().transform((text) => text.length) }), { a: 'abc' }],
  ['a pipe', z.object({ a: z.string().pipe(z.coerce.number()) }), { a: '1' }],
  ['a coerced field', z.object({ a: z.coerce.number() }), { a: 1 }],
  [
    'a codec',
    z.object({
      at: z.codec(z.iso.datetime(), z.date(), {
        decode: (text) => new Date(text),
        encode: (date) => date.toISOString(),
      }),
    }),
    { at: '2026-01-01T00:00:00Z' },
  ],
  ['a refinement', z.object({ a: z.string().refine((text) => text.startsWith('a')) }), { a: 'ab' }],
  [
    'a brand and readonly',
    z.object({ a: z.string().brand('A'), l: z.array(z.string()).readonly() }),
    { a: '', l: [] },
  ],
  ['a template literal', z.object({ a: z.templateLiteral(['id-', z.int()]) }), { a: 'id-1' }],
  [
    'extended and picked objects',
    Address.extend({ zip: z.string() }).omit({ city: true }),
    { street: '', zip: '' },
  ],
  ['an empty object', z.object({}), {}],
  ['anything', z.object({ a: z.any(), j: z.json() }), { a: [1], j: { x: [null] } }],
  ['stringbool', z.object({ a: z.stringbool() }), { a: 'true' }],
  ['lazy', z.object({ a: z.lazy(() => z.string()) }), { a: '' }],
  [
    'a name with a slash and a tilde',
    z.object({ 'a/b~c': Address, __proto: z.string() }),
    { 'a/b~c': { street: '', city: '' }, __proto: '' },
  ],
  ['an array at the root', z.array(z.object({ a: z.string() })), [{ a: '' }]],
  ['a string at the root', z.string(), 'a'],
];
const Node1: z.ZodObject<{ next: z.ZodType }> = z.object({ next: z.unknown() });

const otherTable: [string, object, unknown][] = [
  ['an object of zod/mini', mini.object({ a: mini.string(), b: mini.optional(mini.number()) }), { a: '' }],
  [
    'nullish and defaults of zod/mini',
    mini.object({ a: mini.nullish(mini.string()), b: mini._default(mini.string(), 'x') }),
    { a: null, b: '' },
  ],
  [
    'an intersection of zod/mini',
    mini.intersection(mini.object({ a: mini.string() }), mini.object({ b: mini.string() })),
    { a: '', b: '' },
  ],
  [
    'a discriminated union of zod/mini',
    mini.discriminatedUnion('t', [
      mini.object({ t: mini.literal('a') }),
      mini.object({ t: mini.literal('b') }),
    ]),
    { t: 'a' },
  ],
  ['checks of zod/mini', mini.object({ a: mini.string().check(mini.minLength(2)) }), { a: 'ab' }],
  ['an object of valibot', standard(v.object({ a: v.string(), b: v.optional(v.number()) })), { a: '' }],
  [
    'nullish and defaults of valibot',
    standard(v.object({ a: v.nullish(v.string()), b: v.optional(v.string(), 'x') })),
    { a: null, b: '' },
  ],
  [
    'a variant of valibot',
    standard(
      v.variant('t', [v.object({ t: v.literal('a') }), v.object({ t: v.literal('b'), n: v.number() })]),
    ),
    { t: 'b', n: 1 },
  ],
  [
    'a variant in a field of valibot',
    standard(
      v.object({
        u: v.variant('t', [v.object({ t: v.literal('a') }), v.strictObject({ t: v.literal('b') })]),
      }),
    ),
    { u: { t: 'b' } },
  ],
  [
    'an intersection of valibot',
    standard(v.intersect([v.object({ a: v.string() }), v.object({ b: v.string() })])),
    { a: '', b: '' },
  ],
  [
    'a strict intersection in a field of valibot',
    standard(v.object({ i: v.intersect([v.object({ a: v.string() }), v.looseObject({ b: v.string() })]) })),
    { i: { a: '', b: '' } },
  ],
  [
    'picklists and tuples of valibot',
    standard(v.object({ p: v.picklist(['a', 'b']), t: v.tuple([v.string(), v.number()]) })),
    { p: 'a', t: ['', 1] },
  ],
  ['a record of valibot', standard(v.record(v.string(), v.number())), { a: 1 }],
  [
    'a pipe of valibot',
    standard(v.object({ a: v.pipe(v.string(), v.minLength(2), v.maxLength(4)) })),
    { a: 'abc' },
  ],
  [
    'an object with a rest of valibot',
    standard(v.objectWithRest({ a: v.string() }, v.number())),
    { a: '', b: 1 },
  ],
  ['an object of arktype', type({ a: 'string', 'b?': 'number', n: 'string | null' }), { a: '', n: null }],
  ['a union of arktype', type({ t: "'a'", x: 'number' }).or({ t: "'b'" }), { t: 'b' }],
  ['an intersection of arktype', type({ a: 'string' }).and({ b: 'number' }), { a: '', b: 1 }],
  ['arrays and bounds of arktype', type({ l: 'string[] >= 1', n: '1 <= number <= 5' }), { l: ['a'], n: 3 }],
  ['a default of arktype', type({ a: "string = 'x'" }), { a: 'y' }],
  ['a record of arktype', type({ '[string]': 'number' }), { a: 1 }],
  ['a tuple of arktype', type({ t: ['string', 'number'] }), { t: ['a', 1] }],
  ['an enum of arktype', type({ e: "'a' | 'b'", i: 'number.integer' }), { e: 'b', i: 2 }],
  ['a raw schema', { type: 'object', properties: { a: { type: 'string' } } }, { b: 1 }],
  [
    'a raw schema with definitions',
    { $defs: { A: { type: 'object', properties: { a: { type: 'string' } } } }, $ref: '#/$defs/A' },
    { a: '' },
  ],
  [
    'a raw schema with an anchor',
    {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $defs: { A: { $anchor: 'a', type: 'string' } },
      type: 'object',
      properties: { a: { $ref: '#a' } },
      required: ['a'],
    },
    { a: '' },
  ],
  [
    'a raw schema of 2020-12',
    {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: { t: { prefixItems: [{ type: 'string' }], items: false } },
    },
    { t: ['a'] },
  ],
  [
    'a raw schema with allOf',
    { allOf: [{ type: 'object', required: ['a'] }, { properties: { a: { type: 'string' } } }] },
    { a: '' },
  ],
];

describe('a schema', () => {
  it.each([...zodTable, ...otherTable])(
    'is sent so that a valid value satisfies it: %s',
    async (_, schema, value) => {
      const { sent, parsed } = await parse(schema, value);

      expect(ajvErrors(sent, value)).toBeUndefined();
      expect(parsed).toBeDefined();
    },
  );
});

/** Generates a schema and a valid value. */
interface Pair {
  readonly schema: z.ZodType;
  readonly value: unknown;
}

const field = fc.constantFrom('a', 'b', 'c', 'd', 'x y', '$ref', 'a/b');
const leaf: fc.Arbitrary<Pair> = fc.oneof(
  fc.string().map((value) => ({ schema: z.string(), value })),
  fc.integer().map((value) => ({ schema: z.int(), value })),
  fc.integer({ min: -9, max: 9 }).map((value) => ({
    schema: z
      .number()
      .min(value - 1)
      .max(value),
    value,
  })),
  fc.boolean().map((value) => ({ schema: z.boolean(), value })),
  fc.constant({ schema: z.null(), value: null }),
  fc.constantFrom('p', 'q').map((value) => ({ schema: z.enum(['p', 'q']), value })),
  fc.constantFrom('lit', 7, true).map((value) => ({ schema: z.literal(value), value })),
);
const { pair, object } = fc.letrec<{ pair: Pair; object: Pair }>((tie) => ({
  pair: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    tie('object'),
    fc.array(tie('pair'), { minLength: 1, maxLength: 3 }).map((all) => ({
      schema: z.array(z.union(all.map(({ schema }) => schema) as [z.ZodType])),
      value: all.map(({ value }) => value),
    })),
    fc.tuple(tie('pair'), tie('pair')).map(([one, other]) => ({
      schema: z.tuple([one.schema, other.schema]),
      value: [one.value, other.value],
    })),
    fc.tuple(tie('pair'), tie('pair')).map(([one, other]) => ({
      schema: z.union([one.schema, other.schema]),
      value: other.value,
    })),
    fc.tuple(tie('pair'), fc.boolean()).map(([{ schema, value }, isNull]) => ({
      schema: schema.nullable(),
      value: isNull ? null : value,
    })),
    fc.dictionary(field, leaf, { maxKeys: 2 }).map((fields) => ({
      schema: z.record(
        z.string(),
        z.union([z.never(), ...Object.values(fields).map(({ schema }) => schema)]),
      ),
      value: Object.fromEntries(Object.entries(fields).map(([name, { value }]) => [name, value])),
    })),
    fc.tuple(tie('object'), fc.stringMatching(/^[A-Z][a-z]{5,9}$/)).map(([{ schema, value }, id]) => ({
      schema: schema.meta({ id: `${id}${++count}` }),
      value,
    })),
  ),
  object: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc
      .dictionary(
        field,
        fc.record({
          pair: tie('pair') as fc.Arbitrary<Pair>,
          kind: fc.constantFrom('required', 'optional', 'absent', 'nullish', 'default'),
        }),
        { maxKeys: 3 },
      )
      .map((fields) => {
        const schemas = Object.entries(fields).map(
          ([
            name,
            {
              pair: { schema, value },
              kind,
            },
          ]): [string, z.ZodType] => {
            if (kind === 'optional' || kind === 'absent') return [name, schema.optional()];
            if (kind === 'nullish') return [name, schema.nullish()];
            return [name, kind === 'default' ? schema.default(value as never) : schema];
          },
        );
        // A field that can be null is required, since the strict mode of OpenAI has no optional fields.
        const values = Object.entries(fields).filter(
          ([
            ,
            {
              kind,
              pair: { schema },
            },
          ]) => kind !== 'absent' || schema.safeParse(null).success,
        );
        return {
          schema: z.object(Object.fromEntries(schemas)),
          value: Object.fromEntries(
            values.map(
              ([
                name,
                {
                  pair: { value },
                },
              ]) => [name, value],
            ),
          ),
        };
      }),
    // An intersection of objects with different fields.
    fc.tuple(tie('object'), leaf).map(([{ schema, value }, other]) => {
      const name = `other${++count}`;
      return {
        schema: schema.and(z.object({ [name]: other.schema })),
        value: { ...(value as object), [name]: other.value },
      };
    }),
  ),
}));
let count = 0;

it('any schema of zod is sent so that a value that it accepts satisfies it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(pair, object), async ({ schema, value }) => {
      // An object of zod drops fields that it does not know; the schema that is sent does not permit them.
      fc.pre(isDeepStrictEqual(schema.safeParse(value).data, value));
      const { sent, parsed } = await parse(schema, value);

      expect(ajvErrors(sent, JSON.parse(JSON.stringify(value)))).toBeUndefined();
      expect(parsed).toEqual(schema.parse(JSON.parse(JSON.stringify(value))));
    }),
    { numRuns: 100 },
  );
});
