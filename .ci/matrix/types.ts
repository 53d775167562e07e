import { cp, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type Check, dependencies, execute, type Group, unpack } from './group.ts';

const compilers = {
  '5.6': '5.6.3',
  '5.7': '5.7.3',
  '5.8': '5.8.3',
  '5.9': '5.9.3',
  '6.0': '6.0.3',
  '7.0': '7.0.2',
} as const;
type Version = keyof typeof compilers;
const versions = Object.keys(compilers) as Version[];

const libraries = {
  none: { lib: ['es2022'], types: [] },
  DOM: { lib: ['es2022', 'dom', 'dom.iterable'], types: [] },
  Node: { lib: ['es2022'], types: ['node'] },
  'DOM and Node': { lib: ['es2022', 'dom'], types: ['node'] },
  Workers: { lib: ['es2022'], types: ['@cloudflare/workers-types'] },
} as const;
type Library = keyof typeof libraries;

interface Resolution {
  readonly use: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly versions: readonly Version[];
  readonly libraries: readonly Library[];
  readonly program?: 'consumer.cts';
}

const resolutions: readonly Resolution[] = [
  {
    use: '`nodenext` (with and without DOM, Node and Workers types)',
    options: { module: 'nodenext' },
    versions,
    libraries: Object.keys(libraries) as Library[],
  },
  // Module resolution does not depend on the libraries, so one library is enough for the other modes.
  {
    use: '`bundler`',
    options: { module: 'esnext', moduleResolution: 'bundler' },
    versions,
    libraries: ['Node'],
  },
  { use: '`node16` in ES modules', options: { module: 'node16' }, versions, libraries: ['Node'] },
  // Earlier versions do not allow CommonJS to import ES modules.
  {
    use: '`nodenext` in CommonJS',
    options: { module: 'nodenext' },
    versions: ['5.8', '5.9', '6.0', '7.0'],
    libraries: ['Node'],
    program: 'consumer.cts',
  },
  {
    use: '`node10` in CommonJS',
    options: { module: 'commonjs', moduleResolution: 'node10' },
    versions: ['5.6', '5.7', '5.8', '5.9', '6.0'],
    libraries: ['Node'],
  },
];

/** TypeScript configurations, all with `skipLibCheck: false`. */
export const types: Group = {
  name: 'types',
  packages: {
    ...Object.fromEntries(
      versions.map((version) => [`typescript-${version}`, `npm:typescript@${compilers[version]}`]),
    ),
    ...dependencies,
    '@types/node': '22.20.5',
    '@cloudflare/workers-types': '5.20261117.1',
  },

  async checks(folder, tarball) {
    await unpack(tarball, folder);
    const program = fileURLToPath(new URL('types-consumer.ts', import.meta.url));
    for (const name of ['consumer.ts', 'consumer.cts']) await cp(program, `${folder}/${name}`);
    await writeFile(`${folder}/package.json`, JSON.stringify({ private: true, type: 'module' }));
    return resolutions.map(
      (resolution): Check => ({
        platform: `TypeScript ${resolution.versions[0]} to ${resolution.versions.at(-1)}`,
        use: resolution.use,
        run: () => compileAll(folder, resolution),
      }),
    );
  },
};

async function compileAll(folder: string, resolution: Resolution): Promise<void> {
  const setUps = resolution.versions
    .flatMap((version) => resolution.libraries.map((library) => ({ version, library })))
    .entries();
  const work = async (): Promise<void> => {
    for (const [index, { version, library }] of setUps)
      await compile(folder, index, version, library, resolution);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
}

async function compile(
  folder: string,
  index: number,
  version: Version,
  library: Library,
  { options, program }: Resolution,
): Promise<void> {
  const compilerOptions = {
    target: 'es2022',
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    ...libraries[library],
    ...(options.moduleResolution === 'node10' && version === '6.0' && { ignoreDeprecations: '6.0' }),
    ...options,
  };
  const config = `${folder}/tsconfig.${index}.json`;
  await writeFile(config, JSON.stringify({ compilerOptions, files: [program ?? 'consumer.ts'] }));
  const compiler = `${folder}/node_modules/typescript-${version}/bin/tsc`;
  await execute(process.execPath, [compiler, '--pretty', 'false', '-p', config], { cwd: folder }).catch(
    (error: Error) => {
      throw new Error(`TypeScript ${version} with the types of ${library}: ${error.message}`);
    },
  );
}
