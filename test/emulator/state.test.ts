import { describe, expect, it } from 'vitest';
import { randomText } from '../../src/emulator/random.ts';
import { State } from '../../src/emulator/state.ts';

describe('the state of an emulator', () => {
  it('lets nobody use a key that is disabled, and does not count that as a use', () => {
    const state = new State({ maxKeys: 5, now: () => 0 }, randomText(Math.random));
    const record = state.create({ name: 'checkout', expiresAt: undefined });
    record.disabled = true;
    expect(state.use(record.secret.reveal())).toBeUndefined();
    expect(record.lastUsedAt).toBeUndefined();
    record.disabled = false;
    expect(state.use(record.secret.reveal())).toBe(record);
    expect(record.lastUsedAt).toBe(0);
  });
});
