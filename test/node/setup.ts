import { vi } from 'vitest';

/* Makes every client without a `fetch` or `transport` option use nodeTransport(). */

vi.mock(import('../../src/http/transport.ts'), async (importOriginal) => {
  const original = await importOriginal();
  const { nodeTransport } = await import('../../src/node/index.ts');
  const nativeFetch = globalThis.fetch;
  return {
    ...original,
    fetchTransport: (fetch) =>
      fetch === undefined && globalThis.fetch === nativeFetch
        ? nodeTransport()
        : original.fetchTransport(fetch),
  };
});
