import {
  type ApiKey,
  type ApiKeyPage,
  type ApiKeyQuota,
  ApiKeys,
  type CallPromise,
  type CreatedApiKey,
  type DeletedApiKey,
  type ReplacementApiKey,
  type WithResponse,
  WorkspaceApiKeys,
} from 'drun-sdk/api-keys';
import type { Secret } from 'drun-sdk/secret';
import { expectTypeOf, test } from 'vitest';
import type * as z from 'zod/mini';
import type { apiKey } from '../../src/api-keys/schema.ts';

declare const keys: ApiKeys;
declare const workspaceKeys: WorkspaceApiKeys;

test('create returns a key with its secret, and requires a name', () => {
  expectTypeOf(keys.create({ name: 'a', expiresAt: new Date() })).resolves.toEqualTypeOf<CreatedApiKey>();
  expectTypeOf<CreatedApiKey['secret']>().toEqualTypeOf<Secret>();
  // @ts-expect-error: the name is missing
  void keys.create({});
  // @ts-expect-error: not a Date
  void keys.create({ name: 'a', expiresAt: '2027-01-01' });
  // @ts-expect-error: only keys of a workspace have a quota
  void keys.create({ name: 'a', quota: 5 });
});

test('a list is a page when it is awaited and keys when it is iterated over', async () => {
  expectTypeOf(await keys.list()).toEqualTypeOf<ApiKeyPage>();
  expectTypeOf(keys.list().withResponse()).resolves.toEqualTypeOf<WithResponse<ApiKeyPage>>();
  for await (const key of keys.list()) expectTypeOf(key).toEqualTypeOf<ApiKey>();
  void keys.list({ sort: 'createdAt' });
  void keys.list({ sort: 'name desc' });
  // @ts-expect-error: not a number
  void keys.list({ page: '1' });
});

test('delete takes an id, not a key, and returns at least the id', () => {
  expectTypeOf(keys.delete('a')).resolves.toEqualTypeOf<DeletedApiKey>();
  expectTypeOf<DeletedApiKey['id']>().toEqualTypeOf<string>();
  expectTypeOf<undefined>().toExtend<DeletedApiKey['name']>();
  // @ts-expect-error: a secret is not an id
  void keys.delete({} as Secret);
});

test('a key has no field for the full key and is read-only', () => {
  expectTypeOf<z.output<typeof apiKey>>().toEqualTypeOf<ApiKey>();
  expectTypeOf<ApiKey>().not.toHaveProperty('key');
  expectTypeOf<ApiKey>().not.toHaveProperty('secret');
  expectTypeOf<ApiKeyQuota['limit']>().toEqualTypeOf<number | 'unlimited'>();
  // @ts-expect-error: read-only
  (({}) as ApiKey).name = 'b';
});

test('a workspace has all methods of an account except canCreate, and four more', () => {
  expectTypeOf<Exclude<keyof ApiKeys, keyof WorkspaceApiKeys>>().toEqualTypeOf<'canCreate'>();
  expectTypeOf<Exclude<keyof WorkspaceApiKeys, keyof ApiKeys>>().toEqualTypeOf<
    'listMine' | 'disable' | 'enable' | 'setQuota'
  >();
});

test('a workspace requires its number', () => {
  void new WorkspaceApiKeys({ workspace: 12 });
  // @ts-expect-error: no default
  void new WorkspaceApiKeys({});
  // @ts-expect-error: no default
  void new WorkspaceApiKeys();
});

test('withOptions returns a client of the same class', () => {
  expectTypeOf(new ApiKeys().withOptions({ maxRetries: 1 })).toEqualTypeOf<ApiKeys>();
  expectTypeOf(workspaceKeys.withOptions({ workspace: 13 })).toEqualTypeOf<WorkspaceApiKeys>();
});

test('keys of a workspace have a quota', () => {
  void workspaceKeys.create({ name: 'a', quota: 5, expiresAt: new Date() });
  void workspaceKeys.create({ name: 'a', quota: 'unlimited' });
  void workspaceKeys.replace('a', { quota: 5 });
  expectTypeOf(workspaceKeys.setQuota('a', 5)).resolves.toEqualTypeOf<ApiKey>();
  expectTypeOf(keys.replace('a', { name: 'b' })).resolves.toEqualTypeOf<ReplacementApiKey>();
  // @ts-expect-error: unknown word
  void workspaceKeys.create({ name: 'a', quota: 'none' });
  // @ts-expect-error: keys of an account have no quota
  void keys.replace('a', { quota: 5 });
});

test('prune takes the criteria and the dry-run option separately', () => {
  void keys.prune({ olderThanMs: 1 }, { dryRun: true });
  void workspaceKeys.prune({ olderThanMs: 1, onlyMine: true });
  // @ts-expect-error: an option, not part of the query
  void keys.prune({ olderThanMs: 1, dryRun: true });
  // @ts-expect-error: keys of an account all belong to the caller
  void keys.prune({ olderThanMs: 1, onlyMine: true });
});

test('usage has a closed set of periods', () => {
  void keys.usage({ period: 'day' });
  // @ts-expect-error: unknown period
  void keys.usage({ period: 'year' });
});

test('calls of one request give access to their response', () => {
  expectTypeOf(keys.getSecret('a')).toEqualTypeOf<CallPromise<Secret>>();
  expectTypeOf(keys.delete('a')).toEqualTypeOf<CallPromise<DeletedApiKey>>();
});
