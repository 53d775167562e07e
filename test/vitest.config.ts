import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { textImportsForVite } from '../.ci/text-imports.ts';

const source = (path: string): string => fileURLToPath(new URL(`../src/${path}`, import.meta.url));

const PROCESSES = 'test/rotation/processes/*.test.ts';

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
      {
        extends: true,
        test: {
          name: 'behaviour',
          include: ['{test,examples}/**/*.test.ts'],
          exclude: [PROCESSES],
          typecheck: { enabled: true, include: ['test/**/*.test-d.ts'], tsconfig: 'tsconfig.json' },
        },
      },
      // Takes the whole machine, so it comes after the others, and one file at a time.
      {
        extends: true,
        test: {
          name: 'processes',
          include: [PROCESSES],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
    setupFiles: ['test/setup.ts'],
    unstubEnvs: true,
    unstubGlobals: true,
    restoreMocks: true,
  },
});
