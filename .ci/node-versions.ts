/**
 * Runs the tests of requests, streams and memory leaks on all supported versions of Node, over both `fetch` and
 * `nodeTransport()`.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { fetchPackages } from './fetch-packages.ts';
import { binary, runtimes } from './matrix/runtimes.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = await fetchPackages(runtimes.name, runtimes.packages);
const vitest = [
  'node_modules/vitest/vitest.mjs',
  'run',
  '--config',
  'test/vitest.config.ts',
  '--reporter',
  'dot',
];
const suites = ['test/chat/stream', 'test/conformance', 'test/http', 'test/leaks', 'test/node'];

for (const name of Object.keys(runtimes.packages).filter((name) => name.startsWith('node-'))) {
  const node = binary(folder, `${name}/bin/node`);
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
  // `npm test` already runs these tests over `fetch` on the current version.
  const projects = version === process.version ? ['node-transport'] : ['node-transport', 'unit'];
  console.log(`Node ${version}`);
  const options = projects.flatMap((project) => ['--project', project]);
  const { status } = spawnSync(node, [...vitest, ...options, ...suites], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
