import { keyVerifier } from 'drun-sdk';
import { ApiKeys } from 'drun-sdk/api-keys';
import { ChatClient } from 'drun-sdk/chat';
import { createEmulator } from 'drun-sdk/emulator';
import { KeyRing, memoryStore } from 'drun-sdk/rotation';
import { COMPLETION, MODEL } from './answers.ts';
import { interleave, median, type Sample } from './measure.ts';

const ASKS = 1_000_000;
const CALLS = 10_000;

const request = { model: MODEL, messages: [{ role: 'user' as const, content: 'What is a cloud?' }] };

/** Prints what a call pays for a key that may change, while it does not: asked for alone, and in calls that go nowhere. */
export async function measureKeySource(rounds: number): Promise<void> {
  const ring = await newRing();
  const apiKey = (await ring.getKey()).reveal();
  const answer = JSON.stringify(COMPLETION);
  const answerAtOnce = async (): Promise<Response> =>
    new Response(answer, { headers: { 'content-type': 'application/json' } });
  const calls = (source: string | KeyRing) => {
    const chat = new ChatClient({ apiKey: source, baseUrl: 'https://drun.test', fetch: answerAtOnce });
    return async () => {
      for (let call = 0; call < CALLS; call++) await chat.complete(request);
    };
  };
  const samples = await interleave(
    new Map([
      [
        'asked',
        async () => {
          for (let ask = 0; ask < ASKS; ask++)
            if (ring.getKey() instanceof Promise) throw new Error('not at once');
        },
      ],
      ['string', calls(apiKey)],
      ['ring', calls(ring)],
    ]),
    rounds,
  );
  await ring.stop();

  const perUnit = (name: string, units: number): number[] =>
    (samples.get(name) as Sample[]).map(({ cpuUs }) => cpuUs / units);
  const withString = perUnit('string', CALLS);
  const withRing = perUnit('ring', CALLS);
  console.log('\na key ring as the source of keys, µs of CPU');
  report('asking it for its key', median(perUnit('asked', ASKS)));
  report('a call without network, its key a string', median(withString));
  report('the same, its key from a ring', median(withRing));
  report(
    'what the ring adds, in the same round',
    median(withRing.map((us, round) => us - (withString[round] ?? 0))),
  );
}

async function newRing(): Promise<KeyRing> {
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

function report(what: string, microseconds: number): void {
  console.log(`  ${what.padEnd(48)} ${microseconds.toFixed(3).padStart(9)}`);
}
