import { ApiKeys } from 'drun-sdk/api-keys';
import { ChatClient, keyVerifier } from 'drun-sdk/chat';
import { createEmulator } from 'drun-sdk/emulator';
import { KeyRing, memoryStore } from 'drun-sdk/rotation';
import { interleave, sample } from './measure.ts';
import { MODEL } from './model.ts';
import { COMPLETION } from './responses.ts';
import { table } from './table.ts';

const READS = 1_000_000;
const CALLS = 10_000;

const request = { model: MODEL, messages: [{ role: 'user' as const, content: 'What is a cloud?' }] };

/** Measures reading the key of a ring, and calls without network whose key is a string or comes from a ring. */
export async function measureRing(rounds: number): Promise<string> {
  const ring = await createRing();
  const apiKey = (await ring.getKey()).reveal();
  const body = JSON.stringify(COMPLETION);
  const fetch = async (): Promise<Response> =>
    new Response(body, { headers: { 'content-type': 'application/json' } });
  const calls = (credential: string | KeyRing) => async (): Promise<void> => {
    const chat = new ChatClient({ apiKey: credential, baseUrl: 'https://drun.test', fetch });
    for (let call = 0; call < CALLS; call++) await chat.complete(request);
  };
  const cpuPer = (units: number, work: () => Promise<void>) => async (): Promise<number> =>
    (await sample(work)).cpuUs / units;
  const values = await interleave(
    new Map([
      [
        '`ring.getKey()`',
        cpuPer(READS, async () => {
          for (let read = 0; read < READS; read++) {
            if (ring.getKey() instanceof Promise)
              throw new Error('A known key must be returned synchronously.');
          }
        }),
      ],
      ['call without network I/O, string key', cpuPer(CALLS, calls(apiKey))],
      ['call without network I/O, key from a ring', cpuPer(CALLS, calls(ring))],
    ]),
    rounds,
  );
  await ring.stop();
  return table([{ title: 'CPU, µs', values, digits: 2 }]);
}

async function createRing(): Promise<KeyRing> {
  const drun = createEmulator();
  const service = { baseUrl: 'https://drun.test', fetch: drun.fetch };
  const ring = new KeyRing({
    name: 'bench',
    manager: new ApiKeys({ accessToken: drun.accessToken, ...service }),
    verifier: keyVerifier(service),
    store: memoryStore(),
    encryptionKey: crypto.getRandomValues(new Uint8Array(32)),
  });
  await ring.reconcile();
  return ring;
}
