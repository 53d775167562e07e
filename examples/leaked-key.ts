/**
 * Replaces a leaked API key: identifies it, deletes it, creates a new key with the same settings, and confirms that the
 * service rejects the leaked key.
 *
 *   DRUN_ACCESS_TOKEN=… node examples/leaked-key.ts < leaked-key.txt > new-key.txt
 *
 * The leaked key is read from standard input, because arguments are visible to other users of the machine and remain in
 * the shell history. Only the new key is written to standard output; pipe it into your secret manager. If a `KeyRing`
 * manages the key, call `ring.revoke()` instead.
 */
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { type ApiKey, ApiKeys, ChatClient, isDrunError, Secret } from 'drun-sdk';

/** How long the service may take to reject the deleted key everywhere. */
const REJECTION_TIMEOUT_MS = 60_000;

const keys = new ApiKeys(); // reads DRUN_ACCESS_TOKEN

/** Compares full keys, because a masked key may not be unique. Servers older than 0.17 do not return full keys. */
async function identify(leaked: Secret): Promise<ApiKey> {
  const candidates: ApiKey[] = [];
  for await (const key of keys.list()) if (key.maskedKey === leaked.masked) candidates.push(key);
  for (const key of candidates) {
    if ((await keys.getSecret(key.id)).equals(leaked)) return key;
  }
  throw new Error(
    `The account has no key ${leaked.masked}. The key may belong to another account or to a workspace.`,
  );
}

async function waitForRejection(leaked: Secret): Promise<void> {
  const chat = new ChatClient({ apiKey: leaked });
  const deadline = Date.now() + REJECTION_TIMEOUT_MS;
  while ((await chat.checkKey()).accepted) {
    if (Date.now() > deadline)
      throw new Error('The service still accepts the deleted key. Contact d.run support.');
    await wait(1000);
  }
}

try {
  const leaked = new Secret((await text(process.stdin)).trim());
  const { id, name } = await identify(leaked);
  console.error(`identified ${leaked.masked}: ${name} (${id})`);
  const replacement = await keys.replace(id);
  console.error(`deleted ${leaked.masked}, created ${replacement.maskedKey} (${replacement.id})`);
  console.log(replacement.secret.reveal());
  await waitForRejection(leaked);
  console.error(`confirmed that the service rejects ${leaked.masked}`);
} catch (error) {
  console.error(isDrunError(error) ? `${error.code}: ${error.message}` : error);
  process.exitCode = 1;
}
