import { expect, test } from 'vitest';
import { type Event, isLinearizable } from './linearizability.ts';

const at = (calledAt: number, returnedAt: number) => ({ calledAt, returnedAt });
const create: Event = {
  ...at(0, 1),
  action: 'update',
  expected: null,
  value: 'a',
  result: { ok: true, version: '1' },
};

test('accepts concurrent calls in any order', () => {
  const early: Event = { ...at(0, 3), action: 'get', result: { value: 'a', version: '1' } };
  const late: Event = { ...at(0, 3), action: 'get', result: null };

  expect(isLinearizable([early, late, { ...create, ...at(1, 2) }])).toBe(true);
});

test('detects a read that misses a completed update', () => {
  expect(isLinearizable([create, { ...at(2, 3), action: 'get', result: null }])).toBe(false);
});

test('detects two updates of the same version', () => {
  const update = (version: string): Event => ({
    ...at(2, 3),
    action: 'update',
    expected: '1',
    value: 'b',
    result: { ok: true, version },
  });

  expect(isLinearizable([create, update('2')])).toBe(true);
  expect(isLinearizable([create, update('2'), update('3')])).toBe(false);
});

test('detects a conflict without a reason', () => {
  const rejected: Event = { ...at(2, 3), action: 'update', expected: '1', value: 'b', result: { ok: false } };

  expect(isLinearizable([create, rejected])).toBe(false);
});

test('detects a record that returns to an earlier state', () => {
  const update: Event = {
    ...at(2, 3),
    action: 'update',
    expected: '1',
    value: 'b',
    result: { ok: true, version: '2' },
  };
  const get = (calledAt: number, version: string, value: string): Event => ({
    ...at(calledAt, calledAt + 1),
    action: 'get',
    result: { value, version },
  });

  expect(isLinearizable([create, update, get(4, '2', 'b')])).toBe(true);
  expect(isLinearizable([create, update, get(4, '2', 'b'), get(6, '1', 'a')])).toBe(false);
});
