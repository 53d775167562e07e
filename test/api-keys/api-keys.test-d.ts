import {
  type ApiKey,
  type ApiKeyPage,
  type ApiKeyQuota,
  type ApiKeys,
  type CallPromise,
  type CreatedApiKey,
  type DeletedApiKey,
  type WithResponse,
  WorkspaceApiKeys,
} from 'drun-sdk/api-keys';
import type { Secret } from 'drun-sdk/secret';
import { expectTypeOf, test } from 'vitest';
import type { WireApiKey } from '../../src/api-keys/schema.ts';

declare const keys: ApiKeys;
declare const workspaceKeys: WorkspaceApiKeys;

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
  expectTypeOf<ApiKeyQuota['used']>().toEqualTypeOf<Wire['usedQuota']>();
});

test('every field of the wire is known to an ApiKey, by its own name or another', () => {
  type Renamed = {
    key: 'maskedKey';
    creationTimestamp: 'createdAt';
    expireTime: 'expiresAt';
    lastUsedTime: 'lastUsedAt';
    createBy: 'createdBy';
    usedQuota: 'quota';
    remainingQuota: 'quota';
    remainingQuotaSyncedAt: 'quota';
    unlimitedQuota: 'quota';
  };
  type Name<Wire> = Wire extends keyof Renamed ? Renamed[Wire] : Wire;
  expectTypeOf<Name<keyof WireApiKey>>().toEqualTypeOf<keyof ApiKey>();
});

test('the keys of a workspace can do all that those of an account can, but ask for the limit', () => {
  expectTypeOf<Exclude<keyof ApiKeys, keyof WorkspaceApiKeys>>().toEqualTypeOf<'canCreate'>();
  expectTypeOf<Exclude<keyof WorkspaceApiKeys, keyof ApiKeys>>().toEqualTypeOf<
    'listMine' | 'disable' | 'enable' | 'setQuota'
  >();
});

test('a workspace is named by its number', () => {
  void new WorkspaceApiKeys({ workspace: 12 });
  // @ts-expect-error: there is no default
  void new WorkspaceApiKeys({});
  // @ts-expect-error: there is no default
  void new WorkspaceApiKeys();
});

test('keys of a workspace have a quota: a number of tokens, or none', () => {
  void workspaceKeys.create({ name: 'a', quota: 5, expiresAt: new Date() });
  void workspaceKeys.create({ name: 'a', quota: 'unlimited' });
  // @ts-expect-error: the one word is unlimited
  void workspaceKeys.create({ name: 'a', quota: 'none' });
  expectTypeOf(workspaceKeys.setQuota('a', 5)).resolves.toEqualTypeOf<ApiKey>();
  // @ts-expect-error: keys of an account have none
  void keys.setQuota('a', 5);
  // @ts-expect-error: keys of an account cannot be switched off
  void keys.disable('a');
});

test('what replaces a key may differ in what keys of its kind have', () => {
  void keys.replace('a', { name: 'b' });
  void workspaceKeys.replace('a', { quota: 5 });
  // @ts-expect-error: only keys of workspaces have a quota
  void keys.replace('a', { quota: 5 });
});

test("only a workspace has keys of others to leave alone when one's own are pruned", () => {
  void workspaceKeys.prune({ olderThanMs: 1, onlyMine: true });
  // @ts-expect-error: an account's keys are one's own
  void keys.prune({ olderThanMs: 1, onlyMine: true });
});

test('usage has a closed set of periods', () => {
  void keys.usage({ period: 'day' });
  // @ts-expect-error: there is no such period
  void keys.usage({ period: 'year' });
});

test('calls of one operation can be asked for their response', () => {
  expectTypeOf(keys.reveal('a')).toEqualTypeOf<CallPromise<Secret>>();
  expectTypeOf(keys.delete('a')).toEqualTypeOf<CallPromise<DeletedApiKey>>();
  expectTypeOf(keys.list().withResponse()).resolves.toEqualTypeOf<WithResponse<ApiKeyPage>>();
});
