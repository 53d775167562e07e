import { createEmulator, type EmulatedKeyChanges, type NewEmulatedKey } from 'drun-sdk/emulator';
import { Secret } from 'drun-sdk/secret';
import { describe, expect, it } from 'vitest';
import { chat, control, createKey, type WireKey } from './wire.ts';

describe('drun.keys.create', () => {
  it('returns a valid key and its properties', async () => {
    const drun = createEmulator({ now: () => Date.UTC(2026, 0, 1) });
    const created = drun.keys.create({ name: 'checkout' });
    expect(created).toEqual({
      id: expect.stringMatching(/^\w{16}$/),
      name: 'checkout',
      maskedKey: created.secret.masked,
      createdBy: 'owner',
      createdAt: new Date('2026-01-01T00:00:00Z'),
      expired: false,
      disabled: false,
      allowModels: [],
      denyModels: [],
      quota: { limit: 'unlimited', used: 0, remaining: 'unlimited' },
      secret: expect.any(Secret),
    });
    expect((await chat(drun, created.secret.reveal())).status).toBe(200);
    expect([...drun.requests].map(({ operation }) => operation)).toEqual(['chat']);
  });

  it('accepts every property of a key', async () => {
    const drun = createEmulator({ now: () => Date.UTC(2026, 0, 1) });
    const { id } = drun.keys.create({
      name: 'team',
      workspace: 12,
      user: 'alice',
      expiresAt: new Date('2025-01-01T00:00:00Z'),
      disabled: true,
      allowModels: ['public/*'],
      denyModels: ['public/dear'],
      quota: 10,
    });
    const { body } = await control<{ items: WireKey[] }>(drun, 'GET', '/workspaces/12/apikeys');
    expect(body.items).toMatchObject([
      {
        id,
        createBy: 'alice',
        workspace: 12,
        expireTime: '2025-01-01T00:00:00Z',
        expired: true,
        disabled: true,
        allowModels: ['public/*'],
        denyModels: ['public/dear'],
        quota: '10',
      },
    ]);
  });

  it('enforces the key limit', () => {
    const drun = createEmulator({ maxKeys: 1 });
    drun.keys.create({ name: 'first' });
    expect(() => drun.keys.create({ name: 'second' })).toThrow(RangeError);
    expect(drun.keys.create({ name: 'elsewhere', workspace: 12 }).workspace).toBe(12);
  });

  it('creates an account key with a quota, which the list reports', async () => {
    const drun = createEmulator();
    const { secret } = drun.keys.create({ name: 'checkout', quota: 3 });
    expect((await chat(drun, secret.reveal())).status).toBe(200);
    expect((await chat(drun, secret.reveal())).status).toBe(402);
    const { body } = await control<{ items: WireKey[] }>(drun, 'GET', '/apikeys');
    expect(body.items).toMatchObject([{ quota: '3', usedQuota: '8' }]);
  });

  it.each<[string, Partial<Record<keyof NewEmulatedKey, unknown>>]>([
    ['name', { name: '' }],
    ['name', { name: 7 }],
    ['workspace', { workspace: 0 }],
    ['workspace', { workspace: '12' }],
    ['user', { user: '' }],
    ['expiresAt', { expiresAt: new Date(Number.NaN) }],
    ['expiresAt', { expiresAt: 0 }],
    ['disabled', { disabled: 1 }],
    ['allowModels', { allowModels: 'public/*' }],
    ['denyModels.0', { denyModels: [''] }],
    ['quota', { quota: -1 }],
    ['quota', { quota: 1.5 }],
    ['quota', { quota: 'none' }],
  ])('rejects an invalid `%s`: %o', (field, wrong) => {
    const drun = createEmulator();
    expect(() => drun.keys.create({ name: 'checkout', ...wrong } as NewEmulatedKey)).toThrow(TypeError);
    expect(() => drun.keys.create({ name: 'checkout', ...wrong } as NewEmulatedKey)).toThrow(`\`${field}\``);
    expect([...drun.keys]).toEqual([]);
  });
});

describe('drun.keys.update', () => {
  it('changes the given properties only', async () => {
    const drun = createEmulator();
    const { id } = await createKey(drun, { expireTime: '2127-01-01T00:00:00Z' });
    expect(drun.keys.update(id, { disabled: true })).toMatchObject({
      disabled: true,
      expiresAt: new Date('2127-01-01T00:00:00Z'),
    });
    const updated = drun.keys.update(id, { expiresAt: null, quota: 5, denyModels: ['**'] });
    expect(updated).toMatchObject({ disabled: true, denyModels: ['**'], quota: { limit: 5, remaining: 5 } });
    expect(updated).not.toHaveProperty('expiresAt');
    expect([...drun.keys]).toEqual([updated]);
  });

  it('rejects an unknown key and invalid changes', () => {
    const drun = createEmulator();
    expect(() => drun.keys.update('unknown', {})).toThrow(RangeError);
    expect(() => drun.keys.delete('unknown')).toThrow(RangeError);
    const { id } = drun.keys.create({ name: 'checkout' });
    const wrong = { disabled: 'yes' } as unknown as EmulatedKeyChanges;
    expect(() => drun.keys.update(id, wrong)).toThrow('`disabled`');
  });

  it('delete() removes a key', async () => {
    const drun = createEmulator();
    const { id, secret } = drun.keys.create({ name: 'checkout' });
    drun.keys.delete(id);
    expect([...drun.keys]).toEqual([]);
    expect((await chat(drun, secret.reveal())).status).toBe(401);
  });
});
