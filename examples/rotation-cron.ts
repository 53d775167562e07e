/**
 * Rotates a key in a scheduled job. Each run is one reconciliation, which does all the work that is due. Run it every 5
 * to 60 minutes with cron, a Kubernetes CronJob or a systemd timer, on one or more machines.
 *
 *   DRUN_ACCESS_TOKEN=… DRUN_ENCRYPTION_KEY=… KEY_RINGS=/var/lib/checkout/key-rings node examples/rotation-cron.ts
 *
 * Prints one line per action, then the masked keys. If the reconciliation fails, it exits with 1, and the next run
 * continues.
 */
import { ApiKeys, isDrunError, keyVerifier } from 'drun-sdk';
import { KeyRing, type RingKeyStatus } from 'drun-sdk/rotation';
import { fileStore } from 'drun-sdk/rotation/file';

const { DRUN_ENCRYPTION_KEY = '', KEY_RINGS = 'key-rings' } = process.env;

const ring = new KeyRing({
  name: 'checkout',
  manager: new ApiKeys(), // reads DRUN_ACCESS_TOKEN
  verifier: keyVerifier(), // checks whether the service accepts a key; costs no tokens
  store: fileStore({ path: KEY_RINGS }),
  encryptionKey: DRUN_ENCRYPTION_KEY,
});
ring.on('created', ({ maskedKey }) => console.log(`created ${maskedKey}`));
ring.on('deleted', ({ id, reason }) => console.log(`deleted ${id}: ${reason}`));
ring.on('orphan-deleted', ({ maskedKey }) => console.log(`deleted ${maskedKey}: it was never used`));
ring.on('replaced', ({ id }) => console.log(`replaced ${id}: it was deleted outside the ring`));
ring.on('error', ({ error }) => console.warn(error));
ring.on('name-conflict', ({ ids }) => console.log(`ignored ${ids.join(', ')}: another ring has this name`));

const show = (role: string, key: RingKeyStatus | undefined): void => {
  if (key) console.log(`${role}: ${key.maskedKey}, created ${key.createdAt.toISOString().slice(0, 10)}`);
};

try {
  const { current, standby, previous } = await ring.reconcile({ signal: AbortSignal.timeout(10 * 60_000) });
  show('current', current);
  show('standby', standby);
  show('previous', previous);
} catch (error) {
  console.error(isDrunError(error) ? `${error.code}: ${error.message}` : error);
  process.exitCode = 1;
}
