import { execFileSync } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };

const root = fileURLToPath(new URL('../..', import.meta.url));

// The limits are the measured sizes plus 15%.

describe('size of', () => {
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root, encoding: 'utf8' }),
  ) as [{ size: number; unpackedSize: number }];

  it('the tarball', () => {
    expect(packed.size).toBeLessThan(845_000);
  });

  it('the installed package', () => {
    expect(packed.unpackedSize).toBeLessThan(2_780_000);
  });

  it('the installed dependencies, which have no dependencies themselves', () => {
    const sizes = Object.keys(packageJson.dependencies).map((name) => {
      const folder = `${root}node_modules/${name}`;
      const files = globSync('**/*', { cwd: folder, withFileTypes: true }).filter((file) => file.isFile());
      return files.reduce((sum, file) => sum + statSync(`${file.parentPath}/${file.name}`).size, 0);
    });
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(7_730_000);
  });
});
