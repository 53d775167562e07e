import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { chat, control, createKey, type WireList } from '../wire.ts';

/** Creates an emulator with a clock that the test advances. */
function clocked(): { drun: Emulator; pass: (milliseconds: number) => void } {
  let now = Date.UTC(2026, 0, 1);
  const drun = createEmulator({ now: () => now });
  return {
    drun,
    pass: (milliseconds) => {
      now += milliseconds;
    },
  };
}

const listed = async (drun: Emulator): Promise<string[]> =>
  ((await control<WireList>(drun, 'GET', '/apikeys')).body.items ?? []).map(({ name }) => name);

const accepts = async (drun: Emulator, key: string): Promise<boolean> => {
  const { status } = await chat(drun, key);
  expect([200, 401]).toContain(status);
  return status === 200;
};

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

  it('still accepts a deleted key temporarily', async () => {
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
