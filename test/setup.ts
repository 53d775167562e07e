import { afterEach, beforeEach, expect } from 'vitest';

/* Fails each test that causes console output or a process warning, such as one about leaked listeners. */

const methods = ['debug', 'dir', 'error', 'info', 'log', 'table', 'trace', 'warn'] as const;

let printed: unknown[][] = [];
const originals = new Map(methods.map((method) => [method, console[method]]));
const onWarning = (warning: Error): void => {
  printed.push(['process warning', String(warning)]);
};

beforeEach(() => {
  printed = [];
  for (const method of methods) {
    console[method] = (...values: unknown[]): void => {
      printed.push([`console.${method}`, ...values]);
    };
  }
  process.on('warning', onWarning);
});

afterEach(() => {
  for (const [method, original] of originals) console[method] = original;
  process.off('warning', onWarning);
  expect(printed, 'console output and warnings').toEqual([]);
});
