import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { bundle as bundleProgram } from '../support/bundle.ts';

/* Bundles programs that use the built package. A bundle must not contain unused parts of it. */

const root = fileURLToPath(new URL('../..', import.meta.url));

interface ProgramBundle {
  readonly text: string;
  /** Names of the bundled packages. */
  readonly packages: readonly string[];
  readonly gzippedBytes: number;
}

/** Bundles a program without a platform, so that an import of a Node module fails. */
async function bundle(
  program: string,
  { external = [] }: { external?: string[] } = {},
): Promise<ProgramBundle> {
  const { inputs, ...rest } = await bundleProgram(program, root, { platform: 'neutral', external });
  return { ...rest, packages: [...new Set(inputs.flatMap(packageOf))].sort() };
}

function packageOf(path: string): string[] {
  if (path === '<stdin>') return [];
  const [, library] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path) ?? [];
  return [library ?? (path.startsWith('dist/') ? 'drun-sdk' : path)];
}

const use = (name: string, from: string, options?: { external: string[] }): Promise<ProgramBundle> =>
  bundle(`import { ${name} } from '${from}'; console.log(${name});`, options);

/** Strings that identify a part of the package, even after minification. */
const onlyIn = {
  apiKeys: ['check-creation', 'DRUN_ACCESS_TOKEN', 'console.d.run'],
  chat: ['reasoning_content', 'DRUN_API_KEY'],
  emulator: ['createEmulator', 'faults.', '404 page not found'],
  schemas: ['~standard', 'invalid_type'],
  rotation: ['orphan-deleted', 'key_ring_conflict'],
};

function expectNone(text: string, needles: readonly string[]): void {
  expect(needles.filter((needle) => text.includes(needle))).toEqual([]);
}

// The limits are the measured sizes plus 15%.

describe.each(['drun-sdk/api-keys', 'drun-sdk'])('ApiKeys from %s', (subpath) => {
  it('bundles neither the chat client nor the emulator, and loads ky and zod later', async () => {
    const { text, packages, gzippedBytes } = await use('ApiKeys', subpath);

    expect(packages).toEqual(['drun-sdk']);
    expectNone(text, [...onlyIn.chat, ...onlyIn.emulator]);
    expect(gzippedBytes).toBeLessThan(21_000);
  });
});

describe.each(['drun-sdk/chat', 'drun-sdk'])('ChatClient from %s', (subpath) => {
  it('bundles neither the API keys nor the emulator, and no zod', async () => {
    const { text, packages, gzippedBytes } = await use('ChatClient', subpath);

    expect(packages).toEqual(['drun-sdk']);
    expectNone(text, [...onlyIn.apiKeys, ...onlyIn.emulator]);
    expect(gzippedBytes).toBeLessThan(28_700);
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

describe('a bundle of', () => {
  it('all errors and secrets contains no library', async () => {
    const { packages, gzippedBytes } = await bundle(`
      import * as errors from 'drun-sdk/errors';
      import * as secret from 'drun-sdk/secret';
      console.log(errors, secret);
    `);

    expect(packages).toEqual(['drun-sdk']);
    expect(gzippedBytes).toBeLessThan(4_200);
  });

  it('all of drun-sdk contains no part of the emulator', async () => {
    const { text, packages } = await bundle(
      `import * as everything from 'drun-sdk'; console.log(everything);`,
    );

    expect(packages).toEqual(['drun-sdk']);
    expectNone(text, [...onlyIn.emulator, 'API Key Management']);
  });

  it('the emulator contains no client and no Node module', async () => {
    const { text, packages, gzippedBytes } = await use('createEmulator', 'drun-sdk/emulator');

    // Hono is part of the entry itself.
    expect(packages).toEqual(['drun-sdk', 'zod']);
    expectNone(text, ['DRUN_ACCESS_TOKEN', 'DRUN_API_KEY', 'console.d.run']);
    expect(gzippedBytes).toBeLessThan(78_000);
  });

  it('KeyRing contains no library, client or Node module', async () => {
    const { text, packages, gzippedBytes } = await use('KeyRing', 'drun-sdk/rotation');

    expect(packages).toEqual(['drun-sdk']);
    expectNone(text, [...onlyIn.apiKeys, ...onlyIn.chat, ...onlyIn.emulator, ...onlyIn.schemas]);
    expect(gzippedBytes).toBeLessThan(17_900);
  });
});

describe.each([
  { name: 'memoryStore', subpath: 'drun-sdk/rotation', limit: 2_000 },
  { name: 'openCurrentKey', subpath: 'drun-sdk/rotation', limit: 4_200 },
  { name: 'postgresStore', subpath: 'drun-sdk/rotation/postgres', limit: 3_600 },
  { name: 'redisStore', subpath: 'drun-sdk/rotation/redis', limit: 3_200 },
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
  { name: 'fileStore', subpath: 'drun-sdk/rotation/file', limit: 3_800 },
  { name: 'dynamodbStore', subpath: 'drun-sdk/rotation/dynamodb', limit: 2_800 },
  { name: 'kubernetesSecretStore', subpath: 'drun-sdk/rotation/kubernetes', limit: 6_500 },
])('$name from $subpath', ({ name, subpath, limit }) => {
  it('bundles no library, client or ring', async () => {
    const { text, packages, gzippedBytes } = await use(name, subpath, { external: ['node:*', '@aws-sdk/*'] });

    expect(packages).toEqual(['drun-sdk']);
    expectNone(text, Object.values(onlyIn).flat());
    expect(gzippedBytes).toBeLessThan(limit);
  });
});

describe('the strings that identify a part of the package', () => {
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
