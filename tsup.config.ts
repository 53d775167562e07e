import { defineConfig } from 'tsup';
import { textImportsForEsbuild } from './.ci/text-imports.ts';

/** One entry for each subpath and command of the package. The paths match `exports` and `bin` in package.json. */
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
  // With shared chunks, there is one copy of every class, so that `instanceof` works across subpaths.
  splitting: true,
  treeshake: false,
  // Lets programs use `await using` with the declarations, whatever their `lib` setting.
  dts: { banner: '/// <reference lib="esnext.disposable" />' },
  sourcemap: true,
  clean: true,
  // hono is bundled into the emulator, so that installing the package does not install it. zod/v4/core, which generates
  // JSON Schema, is bundled too. If it were shared with the other code that uses zod, every client would load it.
  noExternal: ['hono', 'zod/v4/core'],
  external: [/^node:/],
  removeNodeProtocol: false,
  esbuildPlugins: [textImportsForEsbuild()],
});
