/*
 * A process that increments a number in a file store until it is killed: `counting-process.ts <folder> <ring>`. It prints
 * each number that it has stored.
 */
import { fileStore } from '../../../src/rotation/stores/file.ts';

const [path = '', ring = ''] = process.argv.slice(2);
const store = fileStore({ path });
for (;;) {
  const record = await store.get(ring);
  const count = String(Number(record?.value ?? 0) + 1);
  const { ok } = await store.compareAndSwap(ring, record?.version ?? null, count);
  if (ok) process.stdout.write(`${count}\n`);
}
