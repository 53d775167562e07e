import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { textImportsForVite } from '../build/text-imports.ts';

const source = (path: string): string => fileURLToPath(new URL(`../src/${path}`, import.meta.url));

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  plugins: [textImportsForVite()],
  resolve: {
    // Tests import what users import, from the source.
    alias: [
      { find: /^drun-sdk$/, replacement: source('index.ts') },
      { find: /^drun-sdk\/emulator\/node$/, replacement: source('emulator/node.ts') },
      { find: /^drun-sdk\/([a-z-]+)$/, replacement: source('$1/index.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/setup.ts'],
    unstubEnvs: true,
    unstubGlobals: true,
    restoreMocks: true,
    typecheck: {
      enabled: true,
      include: ['test/**/*.test-d.ts'],
      tsconfig: 'tsconfig.json',
    },
  },
});
