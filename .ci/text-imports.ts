import { readFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { build, type Plugin as EsbuildPlugin } from 'esbuild';
import type { Plugin as VitePlugin } from 'vitest/config';

/*
 * `import { text } from './page.html?text'` imports the text of a file as the browser receives it: scripts are bundled,
 * scripts and styles are minified, and other files are unchanged. The emulator also serves its dashboard on platforms
 * without a file system, so the files must be part of its module. There is one plugin for the build (tsup uses esbuild)
 * and one for the tests (Vitest uses Vite).
 */

const SUFFIX = '?text';

/** The oldest browsers that support all features of the page, such as `light-dark()`, popovers and nested CSS rules. */
const BROWSERS = ['chrome123', 'firefox128', 'safari18'];

interface TextModule {
  readonly code: string;
  /** All files that it was built from. */
  readonly files: readonly string[];
}

async function textModule(file: string): Promise<TextModule> {
  const { text, files } = ['.ts', '.css'].includes(extname(file))
    ? await bundled(file)
    : { text: await readFile(file, 'utf8'), files: [file] };
  return { code: `export const text = ${JSON.stringify(text)};`, files };
}

async function bundled(file: string): Promise<{ text: string; files: string[] }> {
  const { outputFiles, metafile } = await build({
    entryPoints: [file],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    target: BROWSERS,
    legalComments: 'none',
    logLevel: 'silent',
  });
  return {
    text: outputFiles[0]?.text ?? '',
    files: Object.keys(metafile.inputs).map((path) => resolve(path)),
  };
}

export function textImportsForEsbuild(): EsbuildPlugin {
  return {
    name: 'text-imports',
    setup({ onResolve, onLoad }) {
      // The path keeps its suffix, because tsup's own plugin handles paths that end in `.css`.
      onResolve({ filter: /\?text$/ }, ({ path, resolveDir }) => ({
        path: resolve(resolveDir, path),
        namespace: 'text',
      }));
      onLoad({ filter: /./, namespace: 'text' }, async ({ path }) => {
        const { code, files } = await textModule(path.slice(0, -SUFFIX.length));
        return { contents: code, watchFiles: [...files] };
      });
    },
  };
}

export function textImportsForVite(): VitePlugin {
  // Ids with this prefix are not file names, so that no other plugin processes the styles as CSS.
  const prefix = '\0text:';
  return {
    name: 'text-imports',
    enforce: 'pre',
    resolveId(source, importer) {
      if (!source.endsWith(SUFFIX) || importer === undefined) return null;
      return `${prefix}${resolve(dirname(importer), source.slice(0, -SUFFIX.length))}.js`;
    },
    async load(id) {
      if (!id.startsWith(prefix)) return null;
      const { code, files } = await textModule(id.slice(prefix.length, -'.js'.length));
      for (const file of files) this.addWatchFile(file);
      return code;
    },
  };
}
