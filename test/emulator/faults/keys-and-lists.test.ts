import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { chat, control, createKey, type WireKey, type WireList } from '../wire.ts';

/** An emulator and its clock. */
function clocked(options: object = {}): { drun: Emulator; pass: (milliseconds: number) => void } {
  let now = Date.UTC(2026, 0, 1);
  const drun = createEmulator({ now: () => now, ...options });
  return {
    drun,
    pass: (milliseconds) => {
      now += milliseconds;
    },
  };
}

const listed = async (drun: Emulator, path = '/apikeys'): Promise<string[]> =>
  ((await control<WireList>(drun, 'GET', path)).body.items ?? []).map(({ name }) => name);

const accepts = async (drun: Emulator, key: string): Promise<boolean> => {
  const { status } = await chat(drun, key);
  expect([200, 401]).toContain(status);
  return status === 200;
};

describe('appliedAfterMs of a created key', () => {
  it('returns at once; the key is neither listed nor accepted before', async () => {
    const { drun, pass } = clocked();
    drun.faults.next({ operation: 'create', appliedAfterMs: 5000 });
    const { id, key, creationTimestamp } = await createKey(drun, { name: 'late' });
    expect(creationTimestamp).toBe('2026-01-01T00:00:05Z');
    pass(4999);
    expect(await listed(drun)).toEqual([]);
    expect([...drun.keys]).toEqual([]);
    expect(await accepts(drun, key)).toBe(false);
    expect((await control(drun, 'GET', `/apikeys/${id}/secret`)).status).toBe(404);
    pass(1);
    expect(await listed(drun)).toEqual(['late']);
    expect(await accepts(drun, key)).toBe(true);
    expect((await control(drun, 'GET', `/apikeys/${id}/secret`)).body).toEqual({ id, key });
  });

  it('may be combined with a lost connection or an error', async () => {
    const { drun, pass } = clocked();
    drun.faults.next({ appliedAfterMs: 1000, dropConnection: true });
    await expect(control(drun, 'POST', '/apikeys', { name: 'dropped' })).rejects.toThrow('fetch failed');
    drun.faults.next({ appliedAfterMs: 2000, status: 504 });
    expect((await control(drun, 'POST', '/apikeys', { name: 'timed out' })).status).toBe(504);
    expect(await listed(drun)).toEqual([]);
    pass(1000);
    expect(await listed(drun)).toEqual(['dropped']);
    pass(1000);
    expect(await listed(drun)).toEqual(['timed out', 'dropped']);
  });

  it('makes it the newest, although others were requested later', async () => {
    const { drun, pass } = clocked();
    drun.faults.next({ operation: 'create', appliedAfterMs: 5000 });
    await createKey(drun, { name: 'late' });
    pass(1000);
    await createKey(drun, { name: 'in between' });
    pass(5000);
    expect(await listed(drun)).toEqual(['late', 'in between']);
    expect(Array.from(drun.keys, ({ name }) => name)).toEqual(['in between', 'late']);
  });

  it('counts it toward the limit at once', async () => {
    const { drun } = clocked({ maxKeys: 1 });
    drun.faults.next({ operation: 'create', appliedAfterMs: 5000 });
    await createKey(drun);
    expect((await control(drun, 'POST', '/apikeys', { name: 'second' })).status).toBe(400);
    const check = await control(drun, 'POST', '/apikeys/check-creation', {});
    expect(check.body).toMatchObject({ allowed: false });
  });

  it('has no effect on a rejected request', async () => {
    const { drun, pass } = clocked();
    drun.faults.next({ appliedAfterMs: 1000, dropConnection: true });
    await expect(control(drun, 'POST', '/apikeys', { name: '' })).rejects.toThrow('fetch failed');
    pass(1000);
    expect(await listed(drun)).toEqual([]);
  });
});

describe('appliedAfterMs of a deleted key', () => {
  it('returns at once; the key is listed and accepted until then', async () => {
    const { drun, pass } = clocked();
    const { id, key } = await createKey(drun);
    drun.faults.next({ operation: 'delete', appliedAfterMs: 5000 });
    expect((await control(drun, 'DELETE', `/apikeys/${id}`, {})).status).toBe(200);
    pass(4999);
    expect(await listed(drun)).toEqual(['checkout']);
    expect(await accepts(drun, key)).toBe(true);
    pass(1);
    expect(await listed(drun)).toEqual([]);
    expect(await accepts(drun, key)).toBe(false);
  });

  it('ends with a second deletion', async () => {
    const { drun } = clocked();
    const { id, key } = await createKey(drun);
    drun.faults.next({ operation: 'delete', appliedAfterMs: 5000 });
    await control(drun, 'DELETE', `/apikeys/${id}`, {});
    expect((await control(drun, 'DELETE', `/apikeys/${id}`, {})).status).toBe(200);
    expect(await accepts(drun, key)).toBe(false);
  });
});

describe('a delayed gateway', () => {
  it('rejects a new key that is already listed', async () => {
    const { drun, pass } = clocked();
    drun.faults.always({ acceptedAfterMs: 2000 });
    const { key } = await createKey(drun);
    expect(await listed(drun)).toEqual(['checkout']);
    pass(1999);
    const rejected = await chat(drun, key);
    expect(rejected.status).toBe(401);
    expect(await rejected.json()).toMatchObject({ error: { code: 'invalid_api_key' } });
    pass(1);
    expect(await accepts(drun, key)).toBe(true);
  });

  it('accepts a deleted key for a while', async () => {
    const { drun, pass } = clocked();
    const { id, key } = await createKey(drun);
    drun.faults.next({ acceptedForMs: 2000 });
    await control(drun, 'DELETE', `/apikeys/${id}`, {});
    expect(await listed(drun)).toEqual([]);
    pass(1999);
    expect(await accepts(drun, key)).toBe(true);
    pass(1);
    expect(await accepts(drun, key)).toBe(false);
  });

  it('affects the matching requests only', async () => {
    const { drun } = clocked();
    const fault = drun.faults.always({ acceptedAfterMs: 2000 });
    await listed(drun);
    await control(drun, 'POST', '/apikeys/check-creation', {});
    expect(fault.hits).toBe(0);
    await createKey(drun);
    await createKey(drun, {}, '/workspaces/12');
    expect(fault.hits).toBe(2);
  });
});

describe('a stale list', () => {
  it('lacks new keys and has deleted ones', async () => {
    const { drun, pass } = clocked();
    const old = await createKey(drun, { name: 'old' });
    pass(10_000);
    await createKey(drun, { name: 'new' });
    await control<WireKey>(drun, 'DELETE', `/apikeys/${old.id}`, {});
    const fault = drun.faults.always({ listLagMs: 3000 });
    expect(await listed(drun)).toEqual(['old']);
    expect(await listed(drun, '/masked-apikeys?page.pageSize=-1')).toEqual(['old']);
    pass(3000);
    expect(await listed(drun)).toEqual(['new']);
    fault.remove();
    expect(await listed(drun)).toEqual(['new']);
  });

  it('may be that of a workspace or a user', async () => {
    const { drun } = clocked();
    await createKey(drun, {}, '/workspaces/12');
    drun.faults.always({ listLagMs: 1 });
    expect(await listed(drun, '/workspaces/12/apikeys')).toEqual([]);
    expect(await listed(drun, '/workspaces/12/my-apikeys')).toEqual([]);
  });

  it('does not affect the use or deletion of a key', async () => {
    const { drun } = clocked();
    drun.faults.always({ listLagMs: 60_000 });
    const { id, key } = await createKey(drun);
    expect(await accepts(drun, key)).toBe(true);
    expect((await control(drun, 'DELETE', `/apikeys/${id}`, {})).status).toBe(200);
  });
});
