import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { textImportsForVite } from '../.ci/text-imports.ts';

const source = (path: string): string => fileURLToPath(new URL(`../src/${path}`, import.meta.url));

/** Tests that start processes, databases or browsers, or explore models. `npm run test:all` runs them. */
const SLOW = ['test/{integration,model}/**/*.test.ts', 'test/**/*.{slow,browser}.test.ts'];

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  plugins: [textImportsForVite()],
  resolve: {
    // Tests import what users import, from the source.
    alias: [
      { find: /^drun-sdk$/, replacement: source('index.ts') },
      { find: /^drun-sdk\/(emulator\/(?:msw|node))$/, replacement: source('$1.ts') },
      { find: /^drun-sdk\/rotation\/([a-z]+)$/, replacement: source('rotation/stores/$1.ts') },
      { find: /^drun-sdk\/([a-z-]+)$/, replacement: source('$1/index.ts') },
    ],
  },
  test: {
    projects: [
      { extends: true, test: { name: 'unit', include: ['{test,examples}/**/*.test.ts'], exclude: SLOW } },
      {
        extends: true,
        test: {
          name: 'node-transport',
          include: ['test/{chat/stream,http,leaks}/**/*.test.ts'],
          exclude: SLOW,
          setupFiles: ['test/setup.ts', 'test/node/setup.ts'],
        },
      },
      // One file at a time, after the others: these tests need the whole machine.
      {
        extends: true,
        test: { name: 'slow', include: SLOW, fileParallelism: false, sequence: { groupOrder: 1 } },
      },
    ],
    setupFiles: ['test/setup.ts'],
    maxWorkers: 2,
    // Enough for a machine that is busy with other work.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    unstubEnvs: true,
    unstubGlobals: true,
    restoreMocks: true,
  },
});
