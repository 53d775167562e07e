import { createEmulator, type EmulatedRequest, type Fault, type Reply } from 'drun-sdk/emulator';
import { handlers } from 'drun-sdk/emulator/msw';
import type { Secret } from 'drun-sdk/secret';
import { setupWorker } from 'msw/browser';
import { setupServer } from 'msw/node';
import { expectTypeOf, test } from 'vitest';

const drun = createEmulator();

test('handlers are accepted by both setup functions of msw', () => {
  expectTypeOf(setupServer).toBeCallableWith(...handlers(drun));
  expectTypeOf(setupWorker).toBeCallableWith(...handlers(drun, { consoleUrl: 'https://console.test' }));
});

test('fetch is assignable to the global type', () => {
  expectTypeOf(drun.fetch).toExtend<(input: string, init?: RequestInit) => Promise<Response>>();
  expectTypeOf<typeof globalThis.fetch>().parameters.toExtend<Parameters<typeof drun.fetch>>();
});

test('snapshots are read-only', () => {
  expectTypeOf(drun.requests).toEqualTypeOf<Iterable<EmulatedRequest>>();
  expectTypeOf(drun.keys.create({ name: 'a' }).secret).toEqualTypeOf<Secret>();
  expectTypeOf<EmulatedRequest['status']>().toEqualTypeOf<number | undefined>();
  // @ts-expect-error: a snapshot does not contain the full key
  for (const key of drun.keys) key.secret;
});

test('a fault of `always` has no `times`', () => {
  expectTypeOf(drun.faults.next).toBeCallableWith({ status: 503, times: 2 });
  expectTypeOf(drun.faults.always).parameter(0).not.toHaveProperty('times');
  expectTypeOf<{ operation: 'rotate' }>().not.toExtend<Fault>();
});

test('a reply has one of four content types', () => {
  expectTypeOf<string>().toExtend<Reply>();
  expectTypeOf<AsyncGenerator<string>>().toExtend<Reply>();
  expectTypeOf<{ reasoning: string; toolCalls: { name: string }[] }>().toExtend<Reply>();
  expectTypeOf<{ choices: { message: { content: string } }[]; usage: object }>().toExtend<Reply>();
  expectTypeOf<number>().not.toExtend<Reply>();
});
