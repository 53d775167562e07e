import { defineConfig } from 'tsup';
import { textImportsForEsbuild } from './build/text-imports.ts';

/** One entry per subpath of the package; the paths are those of `exports` in package.json. */
const entries = [
  'index',
  'api-keys/index',
  'chat/index',
  'errors/index',
  'secret/index',
  'emulator/index',
  'emulator/node',
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
  dts: true,
  sourcemap: true,
  clean: true,
  // The emulator's router and server live in its own entries: installing the package does not install them. The writer
  // of JSON Schema does too: as a part of the zod that is shared, bundlers would load it with every client.
  noExternal: ['hono', '@hono/node-server', 'zod/v4/core'],
  external: [/^node:/],
  removeNodeProtocol: false,
  esbuildPlugins: [textImportsForEsbuild()],
});
