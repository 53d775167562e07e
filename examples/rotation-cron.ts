/**
 * Rotation as a job: one pass, which does what is due, and ends. For cron, a CronJob of Kubernetes or a timer of systemd,
 * every few minutes to every hour, from one machine or from several.
 *
 *   DRUN_ACCESS_TOKEN=… DRUN_ENCRYPTION_KEY=… KEY_RINGS=/var/lib/checkout/key-rings node examples/rotation-cron.ts
 *
 * Prints a line for everything that it did, and then the keys that there are, masked; ends with 1 where the pass failed.
 * What it began and could not finish, the next pass finishes.
 */
import { ApiKeys, ChatClient, isDrunError } from 'drun-sdk';
import { KeyRing, type RingKeyStatus } from 'drun-sdk/rotation';
import { fileStore } from 'drun-sdk/rotation/file';

const { DRUN_ENCRYPTION_KEY = '', KEY_RINGS = 'key-rings' } = process.env;

const ring = new KeyRing({
  name: 'checkout',
  manager: new ApiKeys(), // with DRUN_ACCESS_TOKEN
  verifier: {
    async verify(apiKey, { signal }) {
      const check = await new ChatClient({ apiKey }).checkKey({ signal, maxRetries: 0 });
      return check.accepted ? { accepted: true, models: [] } : check;
    },
  },
  store: fileStore({ path: KEY_RINGS }),
  encryptionKey: DRUN_ENCRYPTION_KEY,
});
ring.on('created', ({ maskedKey }) => console.log(`created ${maskedKey}`));
ring.on('deleted', ({ id, reason }) => console.log(`deleted ${id}: ${reason}`));
ring.on('orphan-deleted', ({ maskedKey }) => console.log(`deleted ${maskedKey}: nobody has used it`));
ring.on('replaced', ({ id }) => console.log(`took ${id} out of use: somebody else has deleted it`));
ring.on('name-conflict', ({ ids }) =>
  console.log(`left alone ${ids.join(', ')}: of another ring of this name`),
);

const show = (role: string, key: RingKeyStatus | undefined): void => {
  if (key) console.log(`${role}: ${key.maskedKey}, made ${key.createdAt.toISOString().slice(0, 10)}`);
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
