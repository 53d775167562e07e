import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createEmulator } from 'drun-sdk/emulator';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { codeBlocks } from './code-blocks.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = `${root}.cache/code-blocks`;
const blocks = codeBlocks().map((block) => ({
  ...block,
  path: `${folder}/${block.location.replace(/\W+/g, '-')}.ts`,
}));

// Makes the clients use the global `fetch`, which the tests replace.
vi.mock('drun-sdk/node', () => ({ nodeTransport: () => undefined }));

beforeAll(() => {
  mkdirSync(folder, { recursive: true });
  for (const { path, code } of blocks) writeFileSync(path, code);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('documentation code blocks', () => {
  it.each(['README.md', 'README.zh-CN.md', 'docs/', 'src/'])('exist in %s', (location) => {
    expect(blocks.filter((block) => block.location.startsWith(location)).length).toBeGreaterThanOrEqual(5);
  });

  it('compile', { timeout: 180_000 }, () => {
    const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile);
    const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, root);
    const paths = blocks.map(({ path }) => path);

    const program = ts.createProgram(paths, { ...options, noEmit: true });

    const diagnostics = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
      const line = file && start !== undefined ? file.getLineAndCharacterOfPosition(start).line : 0;
      return `${file?.fileName.replace(folder, '')}:${line} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
    expect(diagnostics).toEqual([]);
  });

  it.each(blocks)('run without errors: $location', async ({ path }) => {
    const drun = createEmulator({ maxKeys: 20 });
    vi.stubEnv('DRUN_ACCESS_TOKEN', drun.accessToken.reveal());
    vi.stubEnv('DRUN_API_KEY', drun.keys.create({ name: 'docs' }).secret.reveal());
    vi.stubEnv('DRUN_ENCRYPTION_KEY', randomBytes(32).toString('base64'));
    vi.stubEnv('KEY_RINGS', `${path}.key-rings`);
    vi.stubEnv('KUBERNETES_SERVICE_HOST', '127.0.0.1');
    const { fetch } = globalThis;
    vi.stubGlobal('fetch', (input: string | URL | Request, init?: RequestInit) => {
      const { hostname } = new URL(input instanceof Request ? input.url : input);
      return hostname.endsWith('.d.run') ? drun.fetch(input, init) : fetch(input, init);
    });
    for (const method of ['log', 'info', 'warn', 'error'] as const)
      vi.spyOn(console, method).mockReturnValue();
    vi.spyOn(process.stdout, 'write').mockReturnValue(true);

    await expect(import(path)).resolves.toBeDefined();
  });
});
