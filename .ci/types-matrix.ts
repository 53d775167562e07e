/*
 * Compiles a program that uses the packed package under every supported combination of TypeScript version, module
 * resolution and libraries, with `skipLibCheck: false`. Needs `npm run build` to have run, and npm's registry.
 */
import { execFile } from 'node:child_process';
import { cp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import packageJson from '../package.json' with { type: 'json' };
import { fetchPackages } from './fetch-packages.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

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

const folder = await fetchPackages('types-matrix', {
  ...Object.fromEntries(
    versions.map((version) => [`typescript-${version}`, `npm:typescript@${compilers[version]}`]),
  ),
  ...packageJson.dependencies,
  '@types/node': '22.20.5',
  '@cloudflare/workers-types': '5.20261117.1',
});

interface Libraries {
  readonly lib: readonly string[];
  readonly types: readonly string[];
}

const knownLibraries: Record<string, Libraries> = {
  es2022: { lib: ['es2022'], types: [] },
  'es2022, DOM': { lib: ['es2022', 'dom', 'dom.iterable'], types: [] },
  'es2022, Node': { lib: ['es2022'], types: ['node'] },
  'es2022, DOM, Node': { lib: ['es2022', 'dom'], types: ['node'] },
  'es2022, Workers': { lib: ['es2022'], types: ['@cloudflare/workers-types'] },
};

const allLibraries = Object.keys(knownLibraries);
/** Resolution does not depend on libraries, so one is enough for all resolutions but the first. */
const oneLibrary = ['es2022, Node'];

interface Resolution {
  readonly options: Readonly<Record<string, unknown>>;
  readonly program: 'consumer.ts' | 'consumer.cts';
  readonly versions: readonly Version[];
  readonly libraries: readonly string[];
}

const resolutions: Record<string, Resolution> = {
  nodenext: { options: { module: 'nodenext' }, program: 'consumer.ts', versions, libraries: allLibraries },
  bundler: {
    options: { module: 'esnext', moduleResolution: 'bundler' },
    program: 'consumer.ts',
    versions,
    libraries: oneLibrary,
  },
  node16: { options: { module: 'node16' }, program: 'consumer.ts', versions, libraries: oneLibrary },
  // Older versions do not let CommonJS import ES modules.
  'nodenext, CommonJS': {
    options: { module: 'nodenext' },
    program: 'consumer.cts',
    versions: ['5.8', '5.9', '6.0', '7.0'],
    libraries: oneLibrary,
  },
  node10: {
    options: { module: 'esnext', moduleResolution: 'node10' },
    program: 'consumer.ts',
    versions: ['5.6', '5.7', '5.8', '5.9', '6.0'],
    libraries: oneLibrary,
  },
};

interface SetUp {
  readonly name: string;
  readonly version: Version;
  readonly config: object;
}

await installPackage();
const setUps = allSetUps();
const failures: string[] = [];
const queue = setUps.entries();
await Promise.all(Array.from({ length: availableParallelism() }, work));
for (const failure of failures) console.log(failure);
console.log(`${setUps.length - failures.length} of ${setUps.length} set-ups compile`);
if (failures.length > 0) process.exitCode = 1;

function allSetUps(): SetUp[] {
  return Object.entries(resolutions).flatMap(([resolution, { options, program, versions, libraries }]) =>
    versions.flatMap((version) =>
      libraries.map((name) => ({
        name: `TypeScript ${version}; ${resolution}; ${name}`,
        version,
        config: {
          compilerOptions: {
            target: 'es2022',
            strict: true,
            exactOptionalPropertyTypes: true,
            skipLibCheck: false,
            noEmit: true,
            ...knownLibraries[name],
            ...(resolution === 'node10' && version === '6.0' && { ignoreDeprecations: '6.0' }),
            ...options,
          },
          files: [program],
        },
      })),
    ),
  );
}

async function work(): Promise<void> {
  for (const [index, { name, version, config }] of queue) {
    const file = `${folder}/tsconfig.${index}.json`;
    await writeFile(file, JSON.stringify(config));
    const output = await compile(version, file);
    if (output !== '') failures.push(`FAIL ${name}\n${output}`);
  }
}

/** @returns What the compiler reports; empty if nothing. */
function compile(version: Version, config: string): Promise<string> {
  const compiler = `${folder}/node_modules/typescript-${version}/bin/tsc`;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [compiler, '--pretty', 'false', '-p', config],
      { cwd: folder },
      (error, stdout) => {
        resolve(error ? stdout.trim().split('\n').slice(0, 8).join('\n') || String(error) : '');
      },
    );
  });
}

/** Puts what the package would contain beside the compilers, where its dependencies are found as well. */
async function installPackage(): Promise<void> {
  const unpacked = `${folder}/node_modules/${packageJson.name}`;
  await rm(unpacked, { recursive: true, force: true });
  await cp(`${root}dist`, `${unpacked}/dist`, { recursive: true });
  await cp(`${root}package.json`, `${unpacked}/package.json`);
  await writeFile(`${folder}/package.json`, JSON.stringify({ type: 'module', private: true }));
  for (const program of ['consumer.ts', 'consumer.cts'])
    await cp(`${root}.ci/types-consumer.ts`, `${folder}/${program}`);
}
