import { expect, test } from 'vitest';
import { type Event, isLinearizable } from './linearizability.ts';

const at = (calledAt: number, answeredAt: number) => ({ calledAt, answeredAt });
const create: Event = {
  ...at(0, 1),
  action: 'swap',
  expected: null,
  value: 'a',
  answer: { ok: true, version: '1' },
};

test('concurrent calls may have taken effect in any order', () => {
  const early: Event = { ...at(0, 3), action: 'get', answer: { value: 'a', version: '1' } };
  const late: Event = { ...at(0, 3), action: 'get', answer: null };

  expect(isLinearizable([early, late, { ...create, ...at(1, 2) }])).toBe(true);
});

test('detects a read that misses a completed update', () => {
  expect(isLinearizable([create, { ...at(2, 3), action: 'get', answer: null }])).toBe(false);
});

test('two swaps from one version are detected', () => {
  const swap = (version: string): Event => ({
    ...at(2, 3),
    action: 'swap',
    expected: '1',
    value: 'b',
    answer: { ok: true, version },
  });

  expect(isLinearizable([create, swap('2')])).toBe(true);
  expect(isLinearizable([create, swap('2'), swap('3')])).toBe(false);
});

test('detects a conflict without a reason', () => {
  const rejected: Event = { ...at(2, 3), action: 'swap', expected: '1', value: 'b', answer: { ok: false } };

  expect(isLinearizable([create, rejected])).toBe(false);
});

test('a record that returns to an earlier state is detected', () => {
  const swap: Event = {
    ...at(2, 3),
    action: 'swap',
    expected: '1',
    value: 'b',
    answer: { ok: true, version: '2' },
  };
  const get = (calledAt: number, version: string, value: string): Event => ({
    ...at(calledAt, calledAt + 1),
    action: 'get',
    answer: { value, version },
  });

  expect(isLinearizable([create, swap, get(4, '2', 'b')])).toBe(true);
  expect(isLinearizable([create, swap, get(4, '2', 'b'), get(6, '1', 'a')])).toBe(false);
});
