import { readFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { build, type Plugin as EsbuildPlugin } from 'esbuild';
import type { Plugin as VitePlugin } from 'vitest/config';

/*
 * `import { text } from './page.html?text'` gives a file as the text that a browser is sent: scripts with all that they
 * import in one file, scripts and styles minified, anything else as it is. The emulator serves a page where there
 * is no file system, so what the page is made of has to be inside of the module. One reading of the files for the
 * package (tsup, which is esbuild) and for the tests (vitest, which is vite).
 */

const SUFFIX = '?text';

/** The oldest browsers that have all that the page uses: `light-dark()`, popovers, nested rules. */
const BROWSERS = ['chrome123', 'firefox128', 'safari18'];

interface TextModule {
  readonly code: string;
  /** Everything that it was made of. */
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
      // The suffix stays on: tsup has a plugin of its own for paths that end in `.css`.
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
  // An id of this form is no file's, so no other plugin takes the style for a style.
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
