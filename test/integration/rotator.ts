/*
 * A process that rotates the ring's key over and over until it is killed, or told to rest: `rotator.ts <surroundings>`.
 * Says what happens.
 */
import { openStore, rotatingRing, type Surroundings } from './settings.ts';

/** What it says, in any order. */
export type Word =
  | { readonly what: 'begun' | 'created' | 'deleted' | 'orphan-deleted' }
  | { readonly what: 'rotated'; readonly epoch: number }
  | { readonly what: 'error'; readonly reason: string }
  /** The last word: it is at rest, and goes. */
  | { readonly what: 'resting' };

const say = (word: Word): void => void process.send?.(word);

const surroundings = JSON.parse(process.argv[2] ?? '') as Surroundings;
const { store, close } = openStore(surroundings.store);
const ring = rotatingRing(surroundings, store);
for (const what of ['created', 'deleted', 'orphan-deleted'] as const) ring.on(what, () => say({ what }));
ring.on('rotated', ({ epoch }) => say({ what: 'rotated', epoch }));

let rests = false;
process.on('message', () => {
  rests = true;
});
// Nobody is left to rotate for.
process.on('disconnect', () => process.exit());
say({ what: 'begun' });
while (!rests) await ring.rotate().catch((error) => say({ what: 'error', reason: String(error) }));
await ring.stop();
await close();
say({ what: 'resting' });
process.disconnect?.();
