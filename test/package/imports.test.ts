import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

/* Limits the modules that an import loads, because they determine the cold start of serverless functions. */

interface LoadedModules {
  /** Number of this package's files. */
  readonly files: number;
  /** Names of other packages. */
  readonly packages: readonly string[];
  /** Whether Node's `fetch` was loaded. */
  readonly loadsFetch: boolean;
}

const prelude = `
  import { registerHooks } from 'node:module';
  const urls = new Set();
  registerHooks({ load: (url, context, next) => (urls.add(url), next(url, context)) });
  const report = () => console.log(JSON.stringify({
    urls: [...urls],
    loadsFetch: process.moduleLoadList.some((name) => name.endsWith('internal/deps/undici/undici')),
  }));
`;

/** Runs a program in a new process. Returns the modules that it had loaded when it called `report()`. */
async function modulesLoadedBy(program: string): Promise<LoadedModules> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', prelude + program],
    { cwd: fileURLToPath(new URL('../..', import.meta.url)), env: { PATH: process.env.PATH } },
  );
  const { urls, loadsFetch } = JSON.parse(stdout) as { urls: string[]; loadsFetch: boolean };
  const packages = urls.flatMap((url) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []);
  return {
    files: urls.filter((url) => url.startsWith('file:') && !url.includes('/node_modules/')).length,
    packages: [...new Set(packages)].sort(),
    loadsFetch,
  };
}

describe.each([
  { subpath: 'drun-sdk', files: 24 },
  { subpath: 'drun-sdk/api-keys', files: 18 },
  { subpath: 'drun-sdk/chat', files: 20 },
  { subpath: 'drun-sdk/errors', files: 3 },
  { subpath: 'drun-sdk/secret', files: 4 },
  { subpath: 'drun-sdk/rotation', files: 14 },
  { subpath: 'drun-sdk/node', files: 6 },
])('import of $subpath', ({ subpath, files }) => {
  it(`loads at most ${files} files, no library, and not Node's fetch`, async () => {
    const loaded = await modulesLoadedBy(`await import('${subpath}'); report();`);

    expect(loaded.packages).toEqual([]);
    expect(loaded.loadsFetch).toBe(false);
    expect(loaded.files).toBeLessThanOrEqual(files);
  });
});

describe('a call of', () => {
  const server = `
    // An import would read all exports, one of which loads Node's fetch.
    const server = process.getBuiltinModule('node:http').createServer((request, response) => {
      const choice = { index: 0, message: { role: 'assistant', content: 'Hello.' }, finish_reason: 'stop' };
      const page = { page: 1, pageSize: -1, total: 0 };
      response.end(JSON.stringify(request.url.startsWith('/v1') ? { choices: [choice] } : { items: [], page }));
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const baseUrl = 'http://127.0.0.1:' + server.address().port;
    const request = { model: 'm', messages: [{ role: 'user', content: 'Hello!' }] };
  `;

  it('complete() loads neither ky nor zod', async () => {
    const { packages, loadsFetch } = await modulesLoadedBy(`${server}
      const { ChatClient } = await import('drun-sdk/chat');
      await new ChatClient({ apiKey: 'sk-test', baseUrl }).complete(request);
      report();
      process.exit();
    `);

    expect(packages).toEqual([]);
    expect(loadsFetch).toBe(true);
  });

  it("complete() through nodeTransport() does not load Node's fetch", async () => {
    const { packages, loadsFetch } = await modulesLoadedBy(`${server}
      const { ChatClient } = await import('drun-sdk/chat');
      const { nodeTransport } = await import('drun-sdk/node');
      await new ChatClient({ apiKey: 'sk-test', baseUrl, transport: nodeTransport() }).complete(request);
      report();
      process.exit();
    `);

    expect(packages).toEqual([]);
    expect(loadsFetch).toBe(false);
  });

  it('list() loads ky and zod', async () => {
    const { packages } = await modulesLoadedBy(`${server}
      const { ApiKeys } = await import('drun-sdk/api-keys');
      await new ApiKeys({ accessToken: 'test-token', baseUrl }).list({ page: 1 });
      report();
      process.exit();
    `);

    expect(packages).toEqual(['ky', 'zod']);
  });
});
