import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

/* Runs the examples against the built package. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const preload = fileURLToPath(new URL('emulated-drun.ts', import.meta.url));
const run = promisify(execFile);

/** Examples that other tests, `npm start` or `npm run matrix` run. */
const RUN_ELSEWHERE = [
  'cloudflare-worker.js',
  'contract-jest.test.js',
  'contract-vitest.test.ts',
  'emulator.test.ts',
  'lambda-rotation.js',
  'lambda-streaming.ts',
  'langchain.js',
  'leaked-key.ts',
  'opentelemetry.ts',
  'prune-cron.ts',
  'queue-worker.ts',
  'quickstart.ts',
  'rotation-cron.ts',
  'rotation-function.ts',
  'rotation-service.ts',
  'tenants.ts',
  'web-express.ts',
  'web-hono.ts',
  'web-next.ts',
];

/** Expected output of the other examples. */
const OUTPUTS: Readonly<Record<string, string>> = {
  'ai-sdk.ts': 'Hello, model!\nHello, model!\n',
  'openai.ts': 'Hello, model!\nHello, model!\n',
};

describe('examples', () => {
  test.each(Object.entries(OUTPUTS))(
    '%s prints the expected output',
    { timeout: 60_000 },
    async (file, output) => {
      const { stdout, stderr } = await run(process.execPath, ['--import', preload, `examples/${file}`], {
        cwd: root,
      });

      expect(stdout).toBe(output);
      expect(stderr).toBe('');
    },
  );

  test('are all tested and listed in the README', () => {
    const files = globSync('*.{ts,js}', { cwd: `${root}examples` });

    expect(files.toSorted()).toEqual([...Object.keys(OUTPUTS), ...RUN_ELSEWHERE].toSorted());
    const readme = readFileSync(`${root}examples/README.md`, 'utf8');
    expect(files.filter((file) => !readme.includes(`(${file})`))).toEqual([]);
  });
});
