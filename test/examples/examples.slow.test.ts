import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

/* Runs the examples as they are, against the built package. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const preload = fileURLToPath(new URL('emulated-drun.ts', import.meta.url));
const run = promisify(execFile);

/** Examples with tests of their own, and the one that `npm start` runs. */
const RUN_ELSEWHERE = [
  'quickstart.ts',
  'rotation-cron.ts',
  'rotation-function.ts',
  'rotation-service.ts',
  'web-express.ts',
  'web-hono.ts',
  'web-next.ts',
];

/** The output of each of the others. */
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

  test('are all run by some test or by npm start', () => {
    const files = globSync('*.ts', { cwd: `${root}examples`, exclude: ['*.test.ts'] });

    expect(files.toSorted()).toEqual([...Object.keys(OUTPUTS), ...RUN_ELSEWHERE].toSorted());
  });
});
