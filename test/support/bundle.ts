import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type BuildOptions, build, type Metafile } from 'esbuild';

export interface Bundle {
  readonly text: string;
  /** Files that became part of the bundle. */
  readonly inputs: readonly string[];
  readonly gzippedBytes: number;
}

/** Bundles and minifies a program. The result excludes files that the program loads later with `import()`. */
export async function bundle(
  program: string,
  resolveDir: string,
  options: BuildOptions = {},
): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: program, resolveDir },
    bundle: true,
    splitting: true,
    outdir: resolveDir,
    minify: true,
    format: 'esm',
    logLevel: 'silent',
    // Ignores the repository's tsconfig.json, whose `paths` map the package's name to its source.
    tsconfigRaw: {},
    ...options,
    write: false,
    metafile: true,
  });
  const files = initialFiles(metafile);
  const inputs = files.flatMap((file) => Object.entries(metafile.outputs[file]?.inputs ?? {}));
  const texts = files.map((file) => outputFiles.find(({ path }) => path === resolve(file))?.text ?? '');
  return {
    text: texts.join('\n'),
    inputs: inputs.flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : [])),
    gzippedBytes: texts.reduce((sum, text) => sum + gzipSync(text).length, 0),
  };
}

/** The entry and all files that it imports statically. */
function initialFiles({ outputs }: Metafile): string[] {
  const files = Object.keys(outputs).filter((file) => outputs[file]?.entryPoint === '<stdin>');
  for (const file of files) {
    for (const { path, kind } of outputs[file]?.imports ?? []) {
      if (kind === 'import-statement' && !files.includes(path)) files.push(path);
    }
  }
  return files;
}
