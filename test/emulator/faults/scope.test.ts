import { createEmulator, type Emulator, type Fault } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { CHAT, chat, control, createKey } from '../wire.ts';

/** Makes consecutive calls, and returns their statuses. */
async function statuses(count: number, call: () => Promise<{ readonly status: number }>): Promise<number[]> {
  const results: number[] = [];
  for (let index = 0; index < count; index++) results.push((await call()).status);
  return results;
}

const models = (drun: Emulator, key: string): Promise<Response> =>
  drun.fetch(`${CHAT}/v1/models`, { headers: { authorization: `Bearer ${key}` } });

const newKey = (drun: Emulator, name = 'checkout'): string => drun.keys.create({ name }).secret.reveal();

describe('faults.next', () => {
  it('applies to one request', async () => {
    const drun = createEmulator();
    const key = newKey(drun);
    drun.faults.next({ status: 503 });
    expect(await statuses(3, () => chat(drun, key))).toEqual([503, 200, 200]);
  });

  it('applies to `times` requests', async () => {
    const drun = createEmulator();
    const key = newKey(drun);
    drun.faults.next({ status: 503, times: 2 });
    expect(await statuses(3, () => chat(drun, key))).toEqual([503, 503, 200]);
  });

  it('applies after earlier faults', async () => {
    const drun = createEmulator();
    const key = newKey(drun);
    drun.faults.next({ status: 503 });
    drun.faults.next({ status: 429 });
    expect(await statuses(3, () => chat(drun, key))).toEqual([503, 429, 200]);
  });

  it('applies from the nth request on', async () => {
    const drun = createEmulator();
    const key = newKey(drun);
    drun.faults.next({ status: 503, nth: 3, times: 2 });
    expect(await statuses(5, () => chat(drun, key))).toEqual([200, 200, 503, 503, 200]);
  });
});

describe('faults.always', () => {
  it('applies to every request until it is removed', async () => {
    const drun = createEmulator();
    const key = newKey(drun);
    const fault = drun.faults.always({ status: 503 });
    expect(await statuses(3, () => chat(drun, key))).toEqual([503, 503, 503]);
    expect(fault.hits).toBe(3);
    fault.remove();
    expect(await statuses(1, () => chat(drun, key))).toEqual([200]);
  });

  it('is removed at the end of a `using` block', async () => {
    const drun = createEmulator();
    const key = newKey(drun);
    {
      using _ = drun.faults.always({ status: 503 });
      expect((await chat(drun, key)).status).toBe(503);
    }
    expect((await chat(drun, key)).status).toBe(200);
  });

  it('is overridden by faults.next, but still adds its delay', async () => {
    const waits: number[] = [];
    const drun = createEmulator({ sleep: async (milliseconds) => void waits.push(milliseconds) });
    const key = newKey(drun);
    drun.faults.always({ status: 503, delayMs: 10 });
    drun.faults.next({ status: 429 });
    drun.faults.next({ delayMs: 20 });
    expect(await statuses(3, () => chat(drun, key))).toEqual([429, 503, 503]);
    expect(waits).toEqual([10, 20, 10]);
  });

  it('is removed by clear and reset', async () => {
    const drun = createEmulator();
    for (const removeFaults of [() => drun.faults.clear(), () => drun.reset()]) {
      drun.faults.always({ status: 503 });
      drun.faults.next({ status: 429 });
      drun.faults.random({ probability: 1 });
      removeFaults();
      expect((await chat(drun, newKey(drun))).status).toBe(200);
    }
  });

  it('copies the fault', async () => {
    const drun = createEmulator();
    const key = newKey(drun);
    const fault = { status: 503 };
    drun.faults.always(fault);
    fault.status = 200;
    expect((await chat(drun, key)).status).toBe(503);
  });
});

describe('a fault applies only to', () => {
  /** Returns whether a fault applies to each of several requests: three to the control plane, then two to the data plane. */
  async function applied(fault: Omit<Fault, 'times'>): Promise<boolean[]> {
    const drun = createEmulator({ maxKeys: 10 });
    const key = newKey(drun);
    const { id } = await createKey(drun, { name: 'second' });
    drun.faults.always({ ...fault, status: 418 });
    const calls = [
      () => control(drun, 'POST', '/apikeys', { name: 'third' }),
      () => control(drun, 'GET', `/workspaces/12/masked-apikeys?page.search=${id}`),
      () => control(drun, 'GET', `/apikeys/${id}/secret`),
      () => models(drun, key),
      () => chat(drun, key),
    ];
    const results: boolean[] = [];
    for (const call of calls) results.push((await call()).status === 418);
    return results;
  }

  it.each<[Omit<Fault, 'times'>, boolean[]]>([
    [{}, [true, true, true, true, true]],
    [{ plane: 'control' }, [true, true, true, false, false]],
    [{ plane: 'data' }, [false, false, false, true, true]],
    [{ operation: 'create' }, [true, false, false, false, false]],
    [{ operation: 'list' }, [false, true, false, false, false]],
    [{ operation: 'reveal' }, [false, false, true, false, false]],
    [{ operation: 'chat' }, [false, false, false, false, true]],
    [{ key: 'checkout' }, [false, false, false, true, true]],
    [{ key: 'second' }, [false, false, true, false, false]],
    [{ key: 'third' }, [false, false, false, false, false]],
    [{ plane: 'control', key: 'second' }, [false, false, true, false, false]],
  ])('%o', async (filter, expected) => {
    expect(await applied(filter)).toEqual(expected);
  });

  it('requests with a key, which is specified by id or value', async () => {
    const drun = createEmulator();
    const [first, second] = [drun.keys.create({ name: 'a' }), drun.keys.create({ name: 'a' })];
    for (const key of [first.id, first.secret, first.secret.reveal()]) {
      using _ = drun.faults.always({ key, status: 503 });
      expect((await chat(drun, first.secret.reveal())).status).toBe(503);
      expect((await chat(drun, second.secret.reveal())).status).toBe(200);
    }
  });

  it('requests with a deleted key', async () => {
    const drun = createEmulator();
    const { id, secret } = drun.keys.create({ name: 'a' });
    drun.keys.delete(id);
    drun.faults.next({ key: id, status: 503 });
    expect((await chat(drun, secret.reveal())).status).toBe(503);
  });

  it('the paths of a plane', async () => {
    const drun = createEmulator();
    drun.faults.always({ status: 418 });
    expect((await drun.fetch(`${CHAT}/elsewhere`)).status).toBe(404);
    expect((await drun.fetch(`${CHAT}/v1/elsewhere`)).status).toBe(418);
  });
});
