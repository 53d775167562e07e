import { createEmulator } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { KEY } from '../../support/credentials.ts';
import { everythingShownOf, thrownBy } from '../../support/failures.ts';

const { faults } = createEmulator();

describe('a fault with an invalid field is rejected', () => {
  it.each<[object, string]>([
    [{ droppConnection: true }, '`droppConnection` is unknown'],
    [{ constructor: true }, '`constructor` is unknown'],
    [{}, 'has no effect'],
    [{ plane: 'data', nth: 2, times: 3 }, 'has no effect'],
    [{ status: 99 }, '`status`'],
    [{ status: 600 }, '`status`'],
    [{ status: '503' }, '`status`'],
    [{ delayMs: -1 }, '`delayMs`'],
    [{ delayMs: Number.POSITIVE_INFINITY }, '`delayMs`'],
    [{ truncateAfterChunks: 1.5 }, '`truncateAfterChunks`'],
    [{ dropConnection: 'before' }, '`dropConnection`'],
    [{ dropConnection: false, omitDone: false }, 'has no effect'],
    [{ status: 503, headers: { 'no header': 'x' } }, '`headers.no header`'],
    [{ status: 503, headers: { 'retry-after': '1\n' } }, '`headers.retry-after`'],
    [{ status: 503, headers: { reason: '忙' } }, '`headers.reason`'],
    [{ status: 503, plane: 'both' }, '`plane`'],
    [{ status: 503, operation: 'rotate' }, '`operation`'],
    [{ status: 503, key: 7 }, '`key`'],
    [{ status: 503, nth: 0 }, '`nth`'],
    [{ status: 503, times: 0 }, '`times`'],
  ])('%o', (fault, message) => {
    expect(() => faults.next(fault)).toThrow(TypeError);
    expect(() => faults.next(fault)).toThrow(`faults.next: `);
    expect(() => faults.next(fault)).toThrow(message);
  });

  it.each<[object, string]>([
    [{ status: 503, dropConnection: true }, '`dropConnection` contradicts `status`'],
    [{ status: 503, truncateAfterChunks: 1 }, '`truncateAfterChunks` contradicts `status`'],
    [{ truncateAfterChunks: 1, omitDone: true }, '`omitDone` contradicts `truncateAfterChunks`'],
    [{ body: 'x' }, '`body` needs `status`'],
    [{ delayMs: 1, headers: {} }, '`headers` needs `status`'],
    [{ omitDone: true, errorEvent: {} }, '`errorEvent` needs `errorAfterChunks`'],
    [{ delayMs: 1, applied: true }, '`applied` needs `status` or `dropConnection`'],
    [
      { acceptedAfterMs: 1, acceptedForMs: 1 },
      '`acceptedAfterMs` and `acceptedForMs` apply to different requests',
    ],
    [
      { operation: 'delete', acceptedAfterMs: 1 },
      '`operation` and `acceptedAfterMs` apply to different requests',
    ],
    [{ plane: 'data', acceptedForMs: 1 }, '`plane` and `acceptedForMs` apply to different requests'],
    [
      { plane: 'control', operation: 'chat', status: 503 },
      '`plane` and `operation` apply to different requests',
    ],
    [{ plane: 'control', crlf: true }, '`plane` and `crlf` apply to different requests'],
  ])('%o', (fault, message) => {
    expect(() => faults.next(fault)).toThrow(message);
  });

  it.each<[object, string]>([
    [{ seed: 'seven' }, '`seed`'],
    [{ probability: 1.1 }, '`probability`'],
    [{ maxDelayMs: -1 }, '`maxDelayMs`'],
    [{ status: 503 }, '`status` is unknown'],
    [{ plane: 'data', operation: 'create' }, '`plane` and `operation` apply to different requests'],
  ])('at random: %o', (random, message) => {
    expect(() => faults.random(random)).toThrow(message);
  });

  it('of `always` with `times`', () => {
    expect(() => faults.always({ status: 503, times: 2 } as object)).toThrow('`times` is unknown');
  });

  it('that is not an object', () => {
    expect(() => faults.next(503 as never)).toThrow('has no effect');
    expect(() => faults.next([503] as never)).toThrow('`0` is unknown');
  });

  it('without repeating a key', () => {
    const error = thrownBy(TypeError, () => faults.next({ status: 503, key: KEY, nth: 0 }));
    expect(everythingShownOf(error)).not.toContain(KEY);
  });
});

describe('a fault is accepted', () => {
  it.each<object>([
    { status: 503, headers: { 'retry-after': '1' } },
    { status: 503, body: undefined, truncateAfterChunks: undefined },
    { delayMs: 0, truncateAfterChunks: 2 },
    { delayMs: 5, acceptedAfterMs: 5, operation: 'create', plane: 'control' },
    { omitDone: true, writeBytes: 5, delayMs: 5 },
    { errorAfterChunks: Number.POSITIVE_INFINITY, errorEvent: null },
    { dropConnection: true, applied: false },
    { status: 503, dropConnection: false, omitDone: false, malformedJson: false },
  ])('%o', (fault) => {
    faults.next(fault).remove();
  });

  it('without showing its key', () => {
    const fault = faults.next({ status: 503, key: KEY });
    expect(everythingShownOf([fault, faults])).not.toContain(KEY);
    fault.remove();
  });
});
