import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ApiKeys } from 'drun-sdk';
import { createEmulator } from 'drun-sdk/emulator';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { asModule, codeBlocks } from './code-blocks.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = `${root}.cache/code-blocks`;
const blocks = codeBlocks().map((block) => ({ ...block, file: block.place.replace(/\W+/g, '-') }));

beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the code blocks of the README, the docs and the sources are found', () => {
  expect(blocks.filter(({ place }) => place.startsWith('README.md')).length).toBeGreaterThanOrEqual(4);
  expect(blocks.filter(({ place }) => place.startsWith('src/')).length).toBeGreaterThanOrEqual(5);
});

test('users are shown only code that compiles', { timeout: 60_000 }, () => {
  const files = blocks.map((block) => {
    const path = `${folder}/${block.file}.check.ts`;
    writeFileSync(path, asModule(block, 'declared'));
    return path;
  });
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, root);

  const program = ts.createProgram(files, { ...options, noEmit: true });

  const problems = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line = file && start !== undefined ? file.getLineAndCharacterOfPosition(start).line : 0;
    return `${file?.fileName.replace(folder, '')}:${line} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
  expect(problems).toEqual([]);
});

describe('code that users are shown runs', () => {
  test.each(blocks)('$place', async (block) => {
    const drun = createEmulator({ maxKeys: 20 });
    const keys = new ApiKeys({ accessToken: drun.accessToken, fetch: drun.fetch });
    const { secret } = await keys.create({ name: 'docs' });
    vi.stubEnv('DRUN_ACCESS_TOKEN', drun.accessToken.reveal());
    vi.stubEnv('DRUN_API_KEY', secret.reveal());
    vi.stubEnv('DRUN_SEAL', randomBytes(32).toString('base64'));
    vi.stubEnv('KEY_RINGS', `${folder}/${block.file}.key-rings`);
    // As in a pod.
    vi.stubEnv('KUBERNETES_SERVICE_HOST', '127.0.0.1');
    // What is sent to the service goes to the emulator, what is sent to this machine goes there.
    const { fetch } = globalThis;
    vi.stubGlobal('fetch', (input: string | URL | Request, init?: RequestInit) =>
      /\.d\.run$/.test(new URL(input instanceof Request ? input.url : input).hostname)
        ? drun.fetch(input, init)
        : fetch(input, init),
    );
    vi.spyOn(console, 'log').mockReturnValue();
    const path = `${folder}/${block.file}.run.ts`;
    writeFileSync(path, asModule(block, 'made'));

    await expect(import(path)).resolves.toBeDefined();
  });
});
