/*
 * A process that rotates the ring's key repeatedly, until it is killed or receives a message: `rotator.ts <config>`. It
 * reports the events of the ring.
 */
import { newRotatorRing, openStore, type RunConfig } from './config.ts';

/** A message to the parent process. */
export type RotatorMessage =
  | { readonly type: 'started' | 'created' | 'deleted' | 'orphan-deleted' }
  | { readonly type: 'rotated'; readonly epoch: number }
  | { readonly type: 'error'; readonly reason: string }
  /** The last message before the process exits. */
  | { readonly type: 'stopped' };

const send = (message: RotatorMessage): void => void process.send?.(message);

const config = JSON.parse(process.argv[2] ?? '') as RunConfig;
const { store, close } = openStore(config.store);
const ring = newRotatorRing(config, store);
for (const type of ['created', 'deleted', 'orphan-deleted'] as const) ring.on(type, () => send({ type }));
ring.on('rotated', ({ epoch }) => send({ type: 'rotated', epoch }));

let isStopping = false;
process.on('message', () => {
  isStopping = true;
});
// The parent process has exited.
process.on('disconnect', () => process.exit());
send({ type: 'started' });
while (!isStopping) await ring.rotate().catch((error) => send({ type: 'error', reason: String(error) }));
await ring.stop();
await close();
send({ type: 'stopped' });
process.disconnect?.();
