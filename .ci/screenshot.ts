/*
 * Takes the screenshot of the emulator's dashboard for the docs. Requires `npm run build` and Chromium. The clock and
 * the keys are fixed, so that only the browser's fonts can change the screenshot.
 */
import { fileURLToPath } from 'node:url';
import { createEmulator } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import { findChromium, launchChromium } from '../test/support/chromium.ts';

const path = fileURLToPath(new URL('../docs/emulator-page.png', import.meta.url));
const MINUTE = 60_000;
const NOW = Date.UTC(2026, 10, 23, 9, 30, 15);

/** The age in minutes and the name of each key. */
const KEYS: readonly (readonly [number, string])[] = [
  [44 * 24 * 60, 'nightly-reports'],
  [9 * 24 * 60, 'search-ranking'],
  [2 * 24 * 60, 'support-bot'],
  [5 * 60, 'mobile-app'],
  [10, 'checkout'],
];

const executable = findChromium();
if (executable === undefined) throw new Error('Chromium was not found on the PATH or in DRUN_CHROMIUM.');

let now = NOW;
let seed = 7;
const drun = createEmulator({
  maxKeys: 10,
  now: () => now,
  random: () => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return seed / 2 ** 31;
  },
});

const keys: string[] = [];
for (const [minutes, name] of KEYS) {
  now = NOW - minutes * MINUTE;
  const response = await drun.fetch('https://console.d.run/apis/hydra.io/v1alpha1/apikeys', {
    method: 'POST',
    headers: { authorization: `Bearer ${drun.accessToken.reveal()}` },
    body: JSON.stringify({ name }),
  });
  keys.push(((await response.json()) as { key: string }).key);
}
// The age in seconds, the key and the model of each request.
for (const [secondsAgo, key, model] of [
  [41, keys[4], 'public/deepseek-r1'],
  [32, keys[3], 'public/deepseek-r1'],
  [20, keys[4], 'public/unknown'],
  [9, 'sk-a-key-that-was-deleted-long-ago', 'public/deepseek-r1'],
] as const) {
  now = NOW - secondsAgo * 1000;
  await drun.fetch('https://chat.d.run/v1/chat/completions', {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello!' }] }),
  });
}
now = NOW;

await using server = await serve(drun, { port: 8080, admin: true });
const browser = await launchChromium(executable);
try {
  const page = await browser.newPage({
    viewport: { width: 1200, height: 800 },
    colorScheme: 'light',
    timezoneId: 'UTC',
  });
  await page.goto(`${server.url}/_emulator/#token=${drun.accessToken.reveal()}`);
  await page.getByText('Connected').waitFor();
  await page.screenshot({ path });
} finally {
  await browser.close();
}
