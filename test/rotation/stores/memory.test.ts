import { memoryStore } from 'drun-sdk/rotation';
import { describe, expect, test } from 'vitest';
import { keepsTheContract, newRing } from './contract.ts';

describe('memoryStore', () => {
  keepsTheContract(
    async () => {
      const store = memoryStore();
      return { open: () => store };
    },
    { durability: 'weak', runs: 300 },
  );

  test('shares nothing with another one', async () => {
    const ring = newRing();
    await memoryStore().compareAndSwap(ring, null, 'a record');

    expect(await memoryStore().get(ring)).toBeNull();
  });
});
