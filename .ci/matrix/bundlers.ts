import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createEmulator } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import packageJson from '../../package.json' with { type: 'json' };
import { bundle, dependencies, execute, type Group, unpack, writeFiles, writeModule } from './group.ts';

const versions = {
  rollup: '4.68.8',
  '@rollup/plugin-node-resolve': '16.0.3',
  webpack: '5.112.2',
  vite: '8.3.8',
  next: '16.4.6',
  react: '19.3.1',
  'react-dom': '19.3.1',
} as const;

/** Scripts that build `main.js` as `out/<name>/main.mjs`, as the documentation of each bundler describes. */
const builds = {
  rollup: `
    import { nodeResolve } from '@rollup/plugin-node-resolve';
    import { rollup } from 'rollup';
    const bundle = await rollup({ input: 'main.js', plugins: [nodeResolve()], logLevel: 'silent' });
    await bundle.write({ dir: 'out/rollup', entryFileNames: '[name].mjs', chunkFileNames: '[hash].mjs' });`,
  webpack: `
    import webpack from 'webpack';
    const config = {
      mode: 'production',
      entry: './main.js',
      target: 'es2022',
      experiments: { outputModule: true },
      output: { path: process.cwd() + '/out/webpack', filename: 'main.mjs', module: true, chunkFormat: 'module', chunkLoading: 'import' },
      performance: false,
    };
    webpack(config, (error, stats) => {
      if (error) throw error;
      if (stats.hasErrors() || stats.hasWarnings()) throw new Error(stats.toString());
    });`,
  vite: `
    import { build } from 'vite';
    await build({
      logLevel: 'warn',
      build: { outDir: 'out/vite', target: 'es2022', lib: { entry: 'main.js', formats: ['es'], fileName: () => 'main.mjs' } },
    });`,
};

/** A platform-independent program, built by each bundler and then run in Node. */
export const bundlers: Group = {
  name: 'bundlers',
  packages: { ...versions, ...dependencies },

  async checks(folder, tarball) {
    await unpack(tarball, folder);
    await writeModule(fileURLToPath(new URL('consumer.ts', import.meta.url)), `${folder}/consumer.js`);
    const main = `import { consume } from './consumer.js';\nawait consume();\n`;
    await rm(`${folder}/out`, { recursive: true, force: true });
    await writeFiles(folder, { 'main.js': main });
    const use =
      "all clients, a ring and the emulator, bundled for a platform without Node's built-in modules";
    return [
      {
        platform: `esbuild ${packageJson.devDependencies.esbuild}`,
        use,
        async run() {
          await mkdir(`${folder}/out`, { recursive: true });
          await writeFiles(folder, { 'out/esbuild.mjs': await bundle(main, { folder, packages: 'bundle' }) });
          await execute(process.execPath, ['out/esbuild.mjs'], { cwd: folder });
        },
      },
      ...Object.entries(builds).map(([name, script]) => ({
        platform: `${name === 'vite' ? 'Vite' : name} ${versions[name as keyof typeof builds]}`,
        use,
        async run() {
          await writeFiles(folder, { [`${name}.mjs`]: script });
          await execute(process.execPath, [`${name}.mjs`], { cwd: folder, mayPrint: name === 'vite' });
          await execute(process.execPath, [`out/${name}/main.mjs`], { cwd: folder });
        },
      })),
      {
        platform: `Next ${versions.next}`,
        use: '[a streaming route](../examples/web-next.ts)',
        run: () => runNext(folder),
      },
    ];
  },
};

async function runNext(folder: string): Promise<void> {
  const app = `${folder}/next-app`;
  await mkdir(`${app}/app/api/chat`, { recursive: true });
  await writeModule(
    fileURLToPath(new URL('../../examples/web-next.ts', import.meta.url)),
    `${app}/app/api/chat/route.js`,
  );
  await writeFiles(app, {
    'package.json': JSON.stringify({ private: true, type: 'module' }),
    'next.config.js': `export default { turbopack: { root: ${JSON.stringify(folder)} } };`,
    'app/layout.js': 'export default ({ children }) => <html lang="en"><body>{children}</body></html>;',
    'app/page.js': 'export default () => <p>Hello</p>;',
  });
  const drun = createEmulator({ reply: 'Good morning!' });
  await using emulator = await serve(drun);
  const env = {
    ...process.env,
    NEXT_TELEMETRY_DISABLED: '1',
    DRUN_CHAT_URL: emulator.url,
    DRUN_API_KEY: drun.keys.create({ name: 'next' }).secret.reveal(),
  };
  const next = `${folder}/node_modules/next/dist/bin/next`;
  await execute(process.execPath, [next, 'build'], { cwd: app, env, mayPrint: true });
  const server = spawn(process.execPath, [next, 'start', '--port', '0', '--hostname', '127.0.0.1'], {
    cwd: app,
    env,
  });
  try {
    const signal = AbortSignal.timeout(60_000);
    let url: string | undefined;
    const lines = createInterface({ input: server.stdout });
    signal.addEventListener('abort', () => lines.close());
    for await (const line of lines) {
      url = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0];
      if (url) break;
    }
    const body = JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }] });
    const response = await fetch(`${url}/api/chat`, { method: 'POST', body });
    const text = await response.text();
    if (!text.endsWith('data: [DONE]\n\n'))
      throw new Error(`the route responded with ${response.status}: ${text}`);
  } finally {
    const exited = once(server, 'exit');
    server.kill('SIGKILL');
    await exited;
  }
}
