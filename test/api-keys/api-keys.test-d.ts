import type { ApiKey, ApiKeyPage, ApiKeys, CreatedApiKey, DeletedApiKey } from 'drun-sdk/api-keys';
import type { Secret } from 'drun-sdk/secret';
import { expectTypeOf, test } from 'vitest';
import type { WireApiKey } from '../../src/wire/control-plane.ts';

declare const keys: ApiKeys;

test('create gives a key with its secret', () => {
  expectTypeOf(keys.create({ name: 'a', expiresAt: new Date() })).resolves.toEqualTypeOf<CreatedApiKey>();
  expectTypeOf<CreatedApiKey['secret']>().toEqualTypeOf<Secret>();
});

test('create needs a name, and a Date where there is one', () => {
  // @ts-expect-error: the name is missing
  void keys.create({});
  // @ts-expect-error: not a string
  void keys.create({ name: 'a', expiresAt: '2027-01-01' });
  // @ts-expect-error: only keys of workspaces have a quota
  void keys.create({ name: 'a', quota: 5 });
});

test('list is a page when awaited and keys when walked', async () => {
  expectTypeOf(await keys.list()).toEqualTypeOf<ApiKeyPage>();
  for await (const key of keys.list()) expectTypeOf(key).toEqualTypeOf<ApiKey>();
});

test('list takes known and unknown sorts, and numbers for pages', () => {
  void keys.list({ sort: 'createdAt' });
  void keys.list({ sort: 'name desc' });
  // @ts-expect-error: not a number
  void keys.list({ page: '1' });
});

test('delete takes an id, not a key, and is certain of the id alone', () => {
  expectTypeOf(keys.delete('a')).resolves.toEqualTypeOf<DeletedApiKey>();
  expectTypeOf<DeletedApiKey['id']>().toEqualTypeOf<string>();
  expectTypeOf<undefined>().toExtend<DeletedApiKey['name']>();
  // @ts-expect-error: a whole key is no id
  void keys.delete({} as Secret);
});

test('a key has no field for the whole key, and none can be written', () => {
  expectTypeOf<ApiKey>().not.toHaveProperty('key');
  expectTypeOf<ApiKey>().not.toHaveProperty('secret');
  // @ts-expect-error: read-only
  (({}) as ApiKey).name = 'b';
});

test('an ApiKey follows the wire', () => {
  type Wire = { [Name in keyof WireApiKey]-?: NonNullable<WireApiKey[Name]> };
  type Same = 'id' | 'name' | 'expired' | 'disabled' | 'userId' | 'workspace';
  type Plain = { -readonly [Name in Same]: NonNullable<ApiKey[Name]> };
  expectTypeOf<Plain>().toEqualTypeOf<Pick<Wire, Same>>();
  expectTypeOf<Wire['allowModels']>().toExtend<ApiKey['allowModels']>();
  expectTypeOf<Wire['denyModels']>().toExtend<ApiKey['denyModels']>();
  expectTypeOf<NonNullable<ApiKey['createdBy']>>().toEqualTypeOf<Wire['createBy']>();
});

test('every field of the wire is known to an ApiKey, by its own name or another', () => {
  type Renamed = {
    key: 'maskedKey';
    creationTimestamp: 'createdAt';
    expireTime: 'expiresAt';
    lastUsedTime: 'lastUsedAt';
    createBy: 'createdBy';
  };
  type Name<Wire> = Wire extends keyof Renamed ? Renamed[Wire] : Wire;
  expectTypeOf<{ [Wire in keyof WireApiKey]-?: Name<Wire> }[keyof WireApiKey]>().toEqualTypeOf<
    keyof ApiKey
  >();
});
