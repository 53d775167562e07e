import { describe, expect, it } from 'vitest';
import type { KeyRecord } from '../../src/emulator/keys/key-record.ts';
import { KeyVault } from '../../src/emulator/keys/key-vault.ts';
import { randomText } from '../../src/emulator/random.ts';

const owner = { id: 'u-1', name: 'owner' };

function create(vault: KeyVault): KeyRecord {
  const expiresAt = Number.POSITIVE_INFINITY;
  return vault.create({ name: 'checkout', scope: 'account', owner, expiresAt, quota: 'unlimited' });
}

describe('the keys of an emulator', () => {
  it('let nobody use one that is disabled, and do not count that as a use', () => {
    const vault = new KeyVault({ maxKeys: 5, now: () => 0 }, randomText(Math.random));
    const record = create(vault);
    record.disabled = true;
    expect(vault.use(record.secret.reveal())).toBeUndefined();
    expect(record.lastUsedAt).toBeUndefined();
    record.disabled = false;
    expect(vault.use(record.secret.reveal())).toBe(record);
    expect(record.lastUsedAt).toBe(0);
  });

  it('are forgotten in the end, once they are deleted', () => {
    const vault = new KeyVault({ maxKeys: 5, now: () => 0 }, randomText(Math.random));
    const first = create(vault);
    vault.delete(first);
    expect(vault.recall(first.id)).toBe(first);
    for (let count = 0; count < 1000; count++) vault.delete(create(vault));
    expect(vault.recall(first.id)).toBeUndefined();
    expect(vault.recall(first.secret.reveal())).toBeUndefined();
  });
});
