import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

/*
 * What users copy into their applications, run as they are, on what was built: `npm test` has done that just before.
 */

const root = fileURLToPath(new URL('../..', import.meta.url));
const preload = fileURLToPath(new URL('emulated-drun.ts', import.meta.url));
const run = promisify(execFile);

/** What has tests of its own, or is run by npm start. */
const RUN_ELSEWHERE = [
  'quickstart.ts',
  'rotation-cron.ts',
  'rotation-function.ts',
  'rotation-service.ts',
  'web-express.ts',
  'web-hono.ts',
  'web-next.ts',
];

/** What each of the others prints. */
const OUTPUTS: Readonly<Record<string, string>> = {
  'ai-sdk.ts': 'Hello, model!\nHello, model!\n',
  'openai.ts': 'Hello, model!\nHello, model!\n',
};

describe('an example', () => {
  test.each(Object.entries(OUTPUTS))('%s prints what it shows', { timeout: 60_000 }, async (file, output) => {
    const { stdout, stderr } = await run(process.execPath, ['--import', preload, `examples/${file}`], {
      cwd: root,
    });

    expect(stdout).toBe(output);
    expect(stderr).toBe('');
  });

  test('is run by these tests, by those of rotation, by vitest itself or by npm start', () => {
    const files = globSync('*.ts', { cwd: `${root}examples`, exclude: ['*.test.ts'] });

    expect(files.toSorted()).toEqual([...Object.keys(OUTPUTS), ...RUN_ELSEWHERE].toSorted());
  });
});
