import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { ChatClient } from 'drun-sdk/chat';
import { createEmulator } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import { build } from 'esbuild';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startDynamoDb } from '../support/dynamodb.ts';
import { fetchedFolder, packagesSkipNote } from '../support/fetched-packages.ts';

/* Runs examples for platforms and packages that the repository does not depend on. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** Runs Node with the fetched packages. Returns its output. */
async function node(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const preloads = ['fetched-packages.ts', 'emulated-drun.ts'].flatMap((file) => ['--import', path(file)]);
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...preloads, ...args], {
    cwd: root,
    env: { ...process.env, FETCHED_PACKAGES: fetchedFolder, ...env },
  });
  return stdout + stderr;
}

describe.skipIf(packagesSkipNote)(`examples with other packages${packagesSkipNote}`, () => {
  it('LangChain uses the key of a ChatClient', async () => {
    expect(await node(['examples/langchain.js'])).toBe('Hello, model!\nHello, model!\n');
  });

  it('Lambda reconciles a ring in DynamoDB and uses its key', async () => {
    const drun = createEmulator({ maxKeys: 2 });
    const server = await serve(drun);
    const database = await startDynamoDb();
    onTestFinished(async () => {
      database.close();
      await server.close();
    });
    const env = {
      DRUN_EMULATOR: server.url,
      DRUN_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
      KEY_RINGS_TABLE: database.table,
      AWS_ENDPOINT_URL: database.url,
      AWS_REGION: 'local',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
    };
    /** Calls a handler in a new process, as in a cold start. */
    const invoke = (handler: string, token?: string): Promise<string> => {
      const program = `import * as handlers from './examples/lambda-rotation.js';
        const context = { getRemainingTimeInMillis: () => 30_000 };
        const response = await handlers.${handler}({ body: 'Hello, model!' }, context);
        if (response) console.log(JSON.stringify(response));`;
      return node(['--input-type=module', '--eval', program], { ...env, DRUN_ACCESS_TOKEN: token });
    };

    const key = await invoke('reconcile', drun.accessToken.reveal());
    expect(key).toMatch(/^the current key is sk-\*{6}.{4}\n$/);
    const reply = `${key}{"statusCode":200,"body":"Hello, model!"}\n`;
    expect(await Promise.all([invoke('chat', ''), invoke('chat', '')])).toEqual([reply, reply]);
    expect([...drun.keys]).toHaveLength(2);
  });

  it('a Cloudflare Worker reconciles a ring in a Durable Object and streams with its key', async () => {
    const drun = createEmulator({ maxKeys: 2 });
    const { outputFiles } = await build({
      entryPoints: [`${root}examples/cloudflare-worker.js`],
      bundle: true,
      external: ['cloudflare:workers'],
      conditions: ['workerd', 'worker'],
      format: 'esm',
      target: 'es2022',
      write: false,
      tsconfigRaw: {},
      logLevel: 'error',
    });
    const { Miniflare, Response } = await import(
      pathToFileURL(`${fetchedFolder}/node_modules/miniflare/dist/src/index.js`).href
    );
    const miniflare = new Miniflare({
      modules: true,
      script: outputFiles[0]?.text,
      compatibilityDate: '2026-07-01',
      durableObjects: { RECORDS: { className: 'RecordObject', useSQLite: true } },
      bindings: {
        DRUN_ACCESS_TOKEN: drun.accessToken.reveal(),
        DRUN_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
      },
      async outboundService(request: Request) {
        const { url, method, headers } = request;
        const body = method === 'GET' ? null : await request.text();
        const response = await drun.fetch(url, { method, headers: [...headers], body });
        return new Response(response.body, { status: response.status, headers: [...response.headers] });
      },
    });
    onTestFinished(() => miniflare.dispose());

    const worker = await miniflare.getWorker();
    expect(await worker.scheduled({ cron: '0 * * * *' })).toMatchObject({ outcome: 'ok' });
    const response = await miniflare.dispatchFetch('http://worker/', {
      method: 'POST',
      body: JSON.stringify({ messages: [{ role: 'user', content: 'Hello, model!' }] }),
    });
    const received = await response.text();

    expect(response.status, received).toBe(200);
    const reader = new ChatClient({
      apiKey: 'unused-api-key',
      fetch: async () => new globalThis.Response(received),
    });
    const completion = await reader.stream({ model: 'm', messages: [] }).completion();
    expect(completion.choices[0].message.content).toBe('Hello, model!');
    expect([...drun.keys]).toHaveLength(2);
  });
});
