import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build, type Metafile } from 'esbuild';
import { describe, expect, it } from 'vitest';

/* Bundles programs with the built package: what a program does not use must not be in its bundle. */

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Bundle {
  readonly text: string;
  /** What it was made of: `ky`, `zod` and the like; `drun-sdk` for this package's own files. */
  readonly packages: readonly string[];
  readonly gzippedBytes: number;
}

/**
 * Bundles a program for no platform in particular: an import of a module of Node's fails, as it must. What is only
 * imported when it is needed becomes a file of its own, and does not count.
 */
async function bundle(program: string, { external = [] }: { external?: string[] } = {}): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: program, resolveDir: root },
    bundle: true,
    splitting: true,
    outdir: root,
    write: false,
    minify: true,
    format: 'esm',
    platform: 'neutral',
    metafile: true,
    external,
    logLevel: 'silent',
    // Not the repository's own, whose `paths` lead from the package's name to its source.
    tsconfigRaw: {},
  });
  const files = loadedAtOnce(metafile);
  const inputs = files.flatMap((file) => Object.entries(metafile.outputs[file]?.inputs ?? {}));
  const texts = files.map((file) => outputFiles.find(({ path }) => path === resolve(root, file))?.text ?? '');
  return {
    text: texts.join('\n'),
    packages: [
      ...new Set(inputs.flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? packageOf(path) : []))),
    ].sort(),
    gzippedBytes: texts.reduce((sum, text) => sum + gzipSync(text).length, 0),
  };
}

/** The files that a program loads before it runs: its entry, and all that is imported from there by a statement. */
function loadedAtOnce({ outputs }: Metafile): string[] {
  const files = Object.keys(outputs).filter((file) => outputs[file]?.entryPoint === '<stdin>');
  for (const file of files) {
    for (const { path, kind } of outputs[file]?.imports ?? []) {
      if (kind === 'import-statement' && !files.includes(path)) files.push(path);
    }
  }
  return files;
}

function packageOf(path: string): string[] {
  if (path === '<stdin>') return [];
  const [, library] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path) ?? [];
  return [library ?? (path.startsWith('dist/') ? 'drun-sdk' : path)];
}

const use = (name: string, from: string, options?: { external: string[] }): Promise<Bundle> =>
  bundle(`import { ${name} } from '${from}'; console.log(${name});`, options);

/** Strings that occur in one part only and survive minification. */
const onlyIn = {
  apiKeys: ['check-creation', 'DRUN_ACCESS_TOKEN', 'console.d.run'],
  chat: ['tool_calls', 'DRUN_API_KEY'],
  emulator: ['createEmulator', 'faults.', '404 page not found'],
  schemas: ['~standard', 'invalid_type'],
  rotation: ['orphan-deleted', 'key_ring_conflict'],
};

function expectNone(text: string, needles: readonly string[]): void {
  expect(needles.filter((needle) => text.includes(needle))).toEqual([]);
}

// The limits are the measured sizes plus 15 %. A change that exceeds one has to be worth its size.

describe.each(['drun-sdk/api-keys', 'drun-sdk'])('ApiKeys from %s', (subpath) => {
  it('bundles neither the chat client nor the emulator, and loads ky and zod later', async () => {
    const { text, packages, gzippedBytes } = await use('ApiKeys', subpath);

    expect(packages).toEqual(['drun-sdk']);
    expectNone(text, [...onlyIn.chat, ...onlyIn.emulator]);
    expect(gzippedBytes).toBeLessThan(20_400);
  });
});

describe.each(['drun-sdk/chat', 'drun-sdk'])('ChatClient from %s', (subpath) => {
  it('bundles neither the API keys nor the emulator, and no zod', async () => {
    const { text, packages, gzippedBytes } = await use('ChatClient', subpath);

    expect(packages.filter((name) => name !== 'eventsource-parser')).toEqual(['drun-sdk']);
    expectNone(text, [...onlyIn.apiKeys, ...onlyIn.emulator]);
    expect(gzippedBytes).toBeLessThan(32_300);
  });
});

describe.each([
  { name: 'Secret', subpath: 'drun-sdk/secret', limit: 1_100 },
  { name: 'isDrunError', subpath: 'drun-sdk/errors', limit: 200 },
])('$name from $subpath', ({ name, subpath, limit }) => {
  it(`bundles no library, and is smaller than ${limit} bytes`, async () => {
    const { text, packages, gzippedBytes } = await use(name, subpath);

    expect(packages).toEqual(['drun-sdk']);
    expectNone(text, Object.values(onlyIn).flat());
    expect(gzippedBytes).toBeLessThan(limit);
  });
});

describe('the other entry points', () => {
  it('bundles no library with all errors and secrets', async () => {
    const { packages, gzippedBytes } = await bundle(`
      import * as errors from 'drun-sdk/errors';
      import * as secret from 'drun-sdk/secret';
      console.log(errors, secret);
    `);

    expect(packages).toEqual(['drun-sdk']);
    expect(gzippedBytes).toBeLessThan(4_200);
  });

  it('bundles nothing of the emulator with all of drun-sdk', async () => {
    const { text, packages } = await bundle(
      `import * as everything from 'drun-sdk'; console.log(everything);`,
    );

    expect(packages.filter((name) => name !== 'eventsource-parser')).toEqual(['drun-sdk']);
    expectNone(text, [...onlyIn.emulator, 'API Key Management']);
  });

  it('bundles no client with the emulator, and no Node module', async () => {
    const { text, packages, gzippedBytes } = await use('createEmulator', 'drun-sdk/emulator');

    // Hono is part of the entry itself.
    expect(packages).toEqual(['drun-sdk', 'zod']);
    expectNone(text, ['DRUN_ACCESS_TOKEN', 'DRUN_API_KEY', 'console.d.run']);
    expect(gzippedBytes).toBeLessThan(53_000);
  });

  it('bundles no library, client or Node module with KeyRing', async () => {
    const { text, packages, gzippedBytes } = await use('KeyRing', 'drun-sdk/rotation');

    expect(packages).toEqual(['drun-sdk']);
    expectNone(text, [...onlyIn.apiKeys, ...onlyIn.chat, ...onlyIn.emulator, ...onlyIn.schemas]);
    expect(gzippedBytes).toBeLessThan(17_900);
  });
});

describe.each([
  { name: 'memoryStore', subpath: 'drun-sdk/rotation', limit: 2_000 },
  { name: 'openCurrentKey', subpath: 'drun-sdk/rotation', limit: 4_200 },
  { name: 'postgresStore', subpath: 'drun-sdk/rotation/postgres', limit: 2_900 },
  { name: 'redisStore', subpath: 'drun-sdk/rotation/redis', limit: 2_600 },
])('$name from $subpath', ({ name, subpath, limit }) => {
  it('bundles no library, client, ring or Node module', async () => {
    const { text, packages, gzippedBytes } = await use(name, subpath);

    expect(packages).toEqual(['drun-sdk']);
    expectNone(text, Object.values(onlyIn).flat());
    expect(gzippedBytes).toBeLessThan(limit);
  });
});

describe.each([
  { name: 'nodeTransport', subpath: 'drun-sdk/node', limit: 3_000 },
  { name: 'fileStore', subpath: 'drun-sdk/rotation/file', limit: 2_800 },
  { name: 'dynamodbStore', subpath: 'drun-sdk/rotation/dynamodb', limit: 2_400 },
  { name: 'kubernetesSecretStore', subpath: 'drun-sdk/rotation/kubernetes', limit: 6_500 },
])('$name from $subpath', ({ name, subpath, limit }) => {
  it('bundles no library, client or ring', async () => {
    const { text, packages, gzippedBytes } = await use(name, subpath, { external: ['node:*', '@aws-sdk/*'] });

    expect(packages).toEqual(['drun-sdk']);
    expectNone(text, Object.values(onlyIn).flat());
    expect(gzippedBytes).toBeLessThan(limit);
  });
});

describe('the strings that identify a part', () => {
  it.each([
    ['ApiKeys', 'drun-sdk', onlyIn.apiKeys],
    ['ChatClient', 'drun-sdk', onlyIn.chat],
    ['createEmulator', 'drun-sdk/emulator', [...onlyIn.emulator, ...onlyIn.schemas]],
    ['KeyRing', 'drun-sdk/rotation', onlyIn.rotation],
  ])('occur in %s', async (name, subpath, needles) => {
    const { text } = await use(name, subpath);

    expect(needles.filter((needle) => !text.includes(needle))).toEqual([]);
  });
});
