import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { dependencies, execute, type Group, unpack, writeFiles } from './group.ts';

const jest = '30.5.2';
const swc = '1.16.22';
const nest = '11.2.10';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** Test runners and frameworks with their own module loading. */
export const frameworks: Group = {
  name: 'frameworks',
  packages: {
    jest,
    '@swc/core': swc,
    '@swc/jest': '0.2.39',
    '@nestjs/common': nest,
    '@nestjs/core': nest,
    '@nestjs/platform-express': nest,
    'reflect-metadata': '0.2.2',
    rxjs: '7.8.2',
    ...dependencies,
  },

  async checks(folder, tarball) {
    await unpack(tarball, folder);
    return [
      {
        platform: `Jest ${jest}`,
        use: '[ES modules](../examples/contract-jest.test.js)',
        run: () => runJest(folder, 'esm'),
      },
      {
        platform: `Jest ${jest}`,
        use: '[CommonJS](#jest-with-commonjs)',
        run: () => runJest(folder, 'commonjs'),
      },
      {
        platform: `NestJS ${nest}`,
        use: 'a service in CommonJS',
        run: () => runNest(folder),
      },
    ];
  },
};

async function runJest(folder: string, format: 'esm' | 'commonjs'): Promise<void> {
  const project = `${folder}/jest-${format}`;
  await mkdir(project, { recursive: true });
  await copyFile(path('../../examples/contract-jest.test.js'), `${project}/contract.test.js`);
  const isModule = format === 'esm';
  await writeFiles(project, {
    'package.json': JSON.stringify({ private: true, type: isModule ? 'module' : 'commonjs' }),
    'jest.config.cjs': isModule ? 'module.exports = { transform: {} };' : await documentedJestConfig(),
  });
  const args = [`${folder}/node_modules/jest/bin/jest.js`, '--no-cache', '--ci', '--watchman=false'];
  const flags = isModule ? ['--experimental-vm-modules', '--no-warnings'] : [];
  await execute(process.execPath, [...flags, ...args], { cwd: project, mayPrint: true });
}

/** Reads the Jest configuration from the documentation, so that the check uses the same configuration as users. */
async function documentedJestConfig(): Promise<string> {
  const page = await readFile(path('../../docs/compatibility.md'), 'utf8');
  const [, config] = /```js\n(\/\/ jest\.config\.cjs\n.*?)```/s.exec(page) ?? [];
  if (!config) throw new Error('docs/compatibility.md does not contain `jest.config.cjs`.');
  return config;
}

async function runNest(folder: string): Promise<void> {
  const project = `${folder}/nest`;
  await mkdir(project, { recursive: true });
  const source = await readFile(path('nest-service.ts'), 'utf8');
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.CommonJS,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
    },
  });
  await writeFiles(project, {
    'package.json': JSON.stringify({ private: true, type: 'commonjs' }),
    'main.js': outputText,
  });
  await execute(process.execPath, ['main.js'], { cwd: project });
}
