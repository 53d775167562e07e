import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { exampleOf } from '../../src/emulator/data/schema-example.ts';

describe('the plainest value of a schema', () => {
  it.each<[string, z.ZodType]>([
    ['texts and numbers', z.object({ city: z.string(), inhabitants: z.number(), isCapital: z.boolean() })],
    [
      'bounds',
      z.object({ text: z.string().min(3), count: z.int().min(5), list: z.array(z.string()).min(2) }),
    ],
    ['more than zero', z.number().positive()],
    ['a choice', z.enum(['sunny', 'rainy'])],
    ['one value', z.literal('sunny')],
    ['one of several', z.union([z.object({ kind: z.literal('a') }), z.string()])],
    ['nothing or something', z.object({ maybe: z.nullable(z.string()), left: z.optional(z.string()) })],
    ['both', z.intersection(z.object({ a: z.string() }), z.object({ b: z.number() }))],
    ['what it is unless said otherwise', z.object({ unit: z.string().default('celsius') })],
    ['a record', z.record(z.string(), z.number())],
  ])('fits it: %s', (_, schema) => {
    expect(schema.safeParse(exampleOf(z.toJSONSchema(schema))).error).toBeUndefined();
  });

  it('is found behind references', () => {
    const schema = {
      type: 'object',
      properties: { city: { $ref: '#/$defs/city' }, other: { $ref: 'https://elsewhere.test' } },
      required: ['city', 'other'],
      $defs: { city: { type: 'string', minLength: 1 } },
    };
    expect(exampleOf(schema)).toEqual({ city: 'x', other: null });
  });

  it('ends where a schema refers to itself', () => {
    const schema = { type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] };
    expect(JSON.stringify(exampleOf(schema))).toContain('null');
  });

  it.each([
    { type: 'string', minLength: 1e12 },
    { type: 'array', minItems: 1e12, items: {} },
    { type: 'array', minItems: 50, items: { $ref: '#' } },
    { type: 'string', minLength: -1 },
  ])('is of a bounded size: %o', (schema) => {
    expect(JSON.stringify(exampleOf(schema)).length).toBeLessThan(200_000);
  });

  it.each([null, 7, 'text', [], {}])('of what says nothing is null: %o', (schema) => {
    expect(exampleOf(schema)).toBeNull();
  });
});
