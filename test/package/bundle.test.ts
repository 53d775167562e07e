import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { createEmulator } from 'drun-sdk/emulator';
import { build, type Metafile } from 'esbuild';
import { describe, expect, test } from 'vitest';

/*
 * What a bundler makes of dist/, which `npm test` has built just before. What a program does not use must not
 * reach its users, whichever subpath it was imported from.
 */

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

/** Text that only the code in question has, and that survives minification. */
const onlyIn = {
  apiKeys: ['apikeys', 'check-creation', 'DRUN_ACCESS_TOKEN', 'console.d.run'],
  chat: ['completions', 'eventsource', 'DRUN_API_KEY'],
  emulator: ['createEmulator', 'faults.', '404 page not found'],
  schemas: ['~standard', 'invalid_type'],
  rotation: ['orphan-swept', 'key_ring_conflict'],
};

function expectNone(text: string, needles: readonly string[]): void {
  expect(needles.filter((needle) => text.includes(needle))).toEqual([]);
}

// The bounds are what was measured and 15 % more: one that is passed asks whether what was added is worth it.

describe.each(['drun-sdk/api-keys', 'drun-sdk'])('ApiKeys out of %s', (subpath) => {
  test('brings neither the chat client nor the emulator along', async () => {
    const { text, packages, gzippedBytes } = await use('ApiKeys', subpath);

    expect(packages).toEqual(['drun-sdk', 'ky', 'zod']);
    expectNone(text, [...onlyIn.chat, ...onlyIn.emulator, ...onlyIn.rotation]);
    expect(gzippedBytes).toBeLessThan(33_600);
  });
});

describe.each(['drun-sdk/chat', 'drun-sdk'])('ChatClient out of %s', (subpath) => {
  test('brings neither the API keys nor the emulator along', async () => {
    const { text, packages, gzippedBytes } = await use('ChatClient', subpath);

    expect(packages.filter((name) => name !== 'eventsource-parser')).toEqual(['drun-sdk', 'zod']);
    expectNone(text, [...onlyIn.apiKeys, ...onlyIn.emulator, ...onlyIn.rotation]);
    expect(gzippedBytes).toBeLessThan(25_600);
  });
});

describe.each([
  { name: 'Secret', subpath: 'drun-sdk/secret', limit: 580 },
  { name: 'Secret', subpath: 'drun-sdk', limit: 580 },
  { name: 'isDrunError', subpath: 'drun-sdk/errors', limit: 140 },
  { name: 'isDrunError', subpath: 'drun-sdk', limit: 140 },
])('$name out of $subpath', ({ name, subpath, limit }) => {
  test(`is next to nothing: no library, below ${limit} bytes`, async () => {
    const { text, packages, gzippedBytes } = await use(name, subpath);

    expect(packages).toEqual(['drun-sdk']);
    expectNone(text, Object.values(onlyIn).flat());
    expect(gzippedBytes).toBeLessThan(limit);
  });
});

test('errors and secrets in full carry no library', async () => {
  const { packages, gzippedBytes } = await bundle(`
    import * as errors from 'drun-sdk/errors';
    import * as secret from 'drun-sdk/secret';
    console.log(errors, secret);
  `);

  expect(packages).toEqual(['drun-sdk']);
  expect(gzippedBytes).toBeLessThan(3_200);
});

test('everything but the emulator carries no trace of it', async () => {
  const { text, packages, gzippedBytes } = await bundle(
    `import * as everything from 'drun-sdk'; console.log(everything);`,
  );

  expect(packages.filter((name) => name !== 'eventsource-parser')).toEqual(['drun-sdk', 'ky', 'zod']);
  expectNone(text, [...onlyIn.emulator, ...onlyIn.rotation, 'API Key Management']);
  expect(gzippedBytes).toBeLessThan(43_300);
});

test('the emulator carries no client, and runs without Node', async () => {
  const { text, packages, gzippedBytes } = await use('createEmulator', 'drun-sdk/emulator');

  // The router is part of the entry itself.
  expect(packages).toEqual(['drun-sdk', 'zod']);
  expectNone(text, ['DRUN_ACCESS_TOKEN', 'DRUN_API_KEY', 'console.d.run', 'API Key Management']);
  expect(gzippedBytes).toBeLessThan(47_500);
});

test('KeyRing runs without Node, and brings no library along, nor anything of the clients', async () => {
  const { text, packages, gzippedBytes } = await use('KeyRing', 'drun-sdk/rotation');

  expect(packages).toEqual(['drun-sdk']);
  expectNone(text, [...onlyIn.apiKeys, ...onlyIn.chat, ...onlyIn.emulator, ...onlyIn.schemas]);
  expect(gzippedBytes).toBeLessThan(11_900);
});

describe.each([
  { name: 'memoryStore', subpath: 'drun-sdk/rotation', limit: 930 },
  { name: 'openCurrentKey', subpath: 'drun-sdk/rotation', limit: 2_900 },
  { name: 'postgresStore', subpath: 'drun-sdk/rotation/postgres', limit: 2_090 },
  { name: 'redisStore', subpath: 'drun-sdk/rotation/redis', limit: 1_570 },
])('$name out of $subpath', ({ name, subpath, limit }) => {
  test('runs without Node, and brings no library along, nor anything of the clients or the ring', async () => {
    const { text, packages, gzippedBytes } = await use(name, subpath);

    expect(packages).toEqual(['drun-sdk']);
    expectNone(text, Object.values(onlyIn).flat());
    expect(gzippedBytes).toBeLessThan(limit);
  });
});

describe.each([
  { name: 'fileStore', subpath: 'drun-sdk/rotation/file', limit: 2_100 },
  { name: 'kubernetesSecretStore', subpath: 'drun-sdk/rotation/kubernetes', limit: 6_200 },
])('$name out of $subpath', ({ name, subpath, limit }) => {
  test("needs Node's own modules only, and brings nothing of the clients or the ring along", async () => {
    const { text, packages, gzippedBytes } = await use(name, subpath, { external: ['node:*'] });

    expect(packages).toEqual(['drun-sdk']);
    expectNone(text, Object.values(onlyIn).flat());
    expect(gzippedBytes).toBeLessThan(limit);
  });
});

test("the emulator's dashboard is loaded on demand, and its script is small", async () => {
  const drun = createEmulator();
  const script = await (await drun.fetch('http://localhost/_emulator/script.js')).arrayBuffer();
  const page = await (await drun.fetch('http://localhost/_emulator/')).text();

  expect(page).toContain('API Key Management');
  expect(gzipSync(script).length).toBeLessThan(5_900);
});

test('the text that tells the parts apart is text that they have', async () => {
  const apiKeys = await use('ApiKeys', 'drun-sdk');
  const chat = await use('ChatClient', 'drun-sdk');

  const emulator = await use('createEmulator', 'drun-sdk/emulator');
  expect(onlyIn.emulator.filter((needle) => !emulator.text.includes(needle))).toEqual([]);
  expect(onlyIn.apiKeys.filter((needle) => !apiKeys.text.includes(needle))).toEqual([]);
  expect(chat.text).toContain('completions');
  expect(chat.text).toContain('DRUN_API_KEY');
  expect(onlyIn.schemas.filter((needle) => !chat.text.includes(needle))).toEqual([]);
  const ring = await use('KeyRing', 'drun-sdk/rotation');
  expect(onlyIn.rotation.filter((needle) => !ring.text.includes(needle))).toEqual([]);
});
