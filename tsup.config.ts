import { defineConfig } from 'tsup';
import { textImportsForEsbuild } from './.ci/text-imports.ts';

/** One entry per subpath and command of the package; the paths are those of `exports` and `bin` in package.json. */
const entries = [
  'index',
  'api-keys/index',
  'chat/index',
  'errors/index',
  'node/index',
  'secret/index',
  'emulator/index',
  'emulator/msw',
  'emulator/node',
  'emulator/cli',
  'rotation/index',
  'rotation/stores/dynamodb',
  'rotation/stores/file',
  'rotation/stores/kubernetes',
  'rotation/stores/postgres',
  'rotation/stores/redis',
  'rotation/stores/testing',
];

export default defineConfig({
  entry: Object.fromEntries(entries.map((entry) => [entry, `src/${entry}.ts`])),
  format: 'esm',
  target: 'node22',
  platform: 'neutral',
  tsconfig: 'src/tsconfig.build.json',
  // Shared chunks keep one copy of every class, so `instanceof` holds between the subpaths.
  splitting: true,
  treeshake: false,
  // `await using` works with the declarations whatever `lib` a program has.
  dts: { banner: '/// <reference lib="esnext.disposable" />' },
  sourcemap: true,
  clean: true,
  // The emulator's router lives in its own entry: installing the package does not install it. The writer of JSON
  // Schema does too: as a part of the zod that is shared, bundlers would load it with every client.
  noExternal: ['hono', 'zod/v4/core'],
  external: [/^node:/],
  removeNodeProtocol: false,
  esbuildPlugins: [textImportsForEsbuild()],
});
