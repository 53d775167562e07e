import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/* Runs the key management examples in processes, against the built package. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const preload = fileURLToPath(new URL('emulated-drun.ts', import.meta.url));
const DAY_MS = 24 * 60 * 60 * 1000;

let drun: Emulator;
let server: Awaited<ReturnType<typeof serve>>;
let now: number;

beforeEach(async () => {
  now = Date.UTC(2026, 10, 23);
  drun = createEmulator({
    now: () => now,
    onRequest({ operation }) {
      if (operation === 'models') now += 1000;
    },
  });
  server = await serve(drun);
});
afterEach(() => server.close());

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  example: string,
  { args = [], input = '' }: { args?: string[]; input?: string } = {},
): Promise<Result> {
  const env = {
    ...process.env,
    DRUN_EMULATOR: server.url,
    DRUN_ACCESS_TOKEN: drun.accessToken.reveal(),
  };
  const child = spawn(process.execPath, ['--import', preload, `examples/${example}`, ...args], {
    cwd: root,
    env,
  });
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, stdout, stderr };
}

describe('leaked-key.ts', () => {
  it('replaces only the key on standard input', async () => {
    const before = drun.keys.create({ name: 'search' });
    const leaked = drun.keys.create({ name: 'checkout' });
    const after = drun.keys.create({ name: 'reports' });

    const { code, stdout, stderr } = await run('leaked-key.ts', { input: `${leaked.secret.reveal()}\n` });

    expect(code, stderr).toBe(0);
    const [first, second, replacement] = [...drun.keys];
    expect([first?.id, second?.id]).toEqual([before.id, after.id]);
    expect(replacement?.name).toBe('checkout');
    expect(replacement?.id).not.toBe(leaked.id);
    expect(stdout).toMatch(/^sk-\S+\n$/);
    expect(stdout.trim().slice(-4)).toBe(replacement?.maskedKey.slice(-4));
    expect(stderr).toContain(`identified ${leaked.secret.masked}: checkout (${leaked.id})`);
    expect(stderr).toContain(`confirmed that the service rejects ${leaked.secret.masked}`);
    expect(stderr).not.toContain(leaked.secret.reveal());
    expect(stderr).not.toContain(stdout.trim());
  });

  it('changes nothing if the account does not have the key', async () => {
    const { id } = drun.keys.create({ name: 'search' });

    const { code, stdout, stderr } = await run('leaked-key.ts', { input: 'sk-unknown-AbC_123456789-uaYc' });

    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('The account has no key sk-******uaYc.');
    expect(Array.from(drun.keys, (key) => key.id)).toEqual([id]);
  });

  it('waits until the service rejects the key', async () => {
    const leaked = drun.keys.create({ name: 'checkout' });
    drun.faults.next({ operation: 'delete', acceptedForMs: 500 });

    const { code, stderr } = await run('leaked-key.ts', { input: leaked.secret.reveal() });

    expect(code, stderr).toBe(0);
    const verifications = [...drun.requests].filter(({ operation }) => operation === 'models');
    expect(verifications.map(({ status }) => status)).toEqual([200, 401]);
  });
});

describe('prune-cron.ts', () => {
  async function createKeys(): Promise<void> {
    drun.keys.create({ name: 'unused' });
    const used = drun.keys.create({ name: 'used' });
    now += 100 * DAY_MS;
    drun.keys.create({ name: 'new' });
    const headers = { authorization: `Bearer ${used.secret.reveal()}` };
    const body = JSON.stringify({
      model: 'public/deepseek-r1',
      messages: [{ role: 'user', content: 'Hello' }],
    });
    await drun.fetch('https://chat.d.run/v1/chat/completions', { method: 'POST', headers, body });
  }
  const names = (): string[] => Array.from(drun.keys, ({ name }) => name);

  it('lists unused keys, and deletes nothing', async () => {
    await createKeys();

    const { code, stdout, stderr } = await run('prune-cron.ts');

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^would_delete sk-\*{6}.{4} unused, last used: never\n$/);
    expect(names()).toEqual(['unused', 'used', 'new']);
  });

  it('deletes unused keys', async () => {
    await createKeys();

    const { code, stdout } = await run('prune-cron.ts', { args: ['--delete'] });

    expect(code).toBe(0);
    expect(stdout).toMatch(/^deleted sk-\*{6}.{4} unused, last used: never\n$/);
    expect(names()).toEqual(['used', 'new']);
  });

  it('exits with 1 if a key cannot be deleted', async () => {
    await createKeys();
    drun.faults.always({ operation: 'delete', status: 403 });

    const { code, stdout, stderr } = await run('prune-cron.ts', { args: ['--delete'] });

    expect(code).toBe(1);
    expect(stdout).toMatch(/^failed sk-/);
    expect(stderr).toContain('PermissionDeniedError');
  });
});
