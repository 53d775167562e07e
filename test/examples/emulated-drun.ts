/**
 * Preloaded into a process (`node --import`), lets it find an emulator where it looks for d.run: calls of `*.d.run` are
 * answered in the process, and the variables hold credentials that the emulator accepts.
 */
import { createEmulator } from 'drun-sdk/emulator';
import { obligingModel } from '../support/obliging-model.ts';

const drun = createEmulator({ reply: obligingModel });
const { fetch } = globalThis;

globalThis.fetch = (input, init) => {
  const { hostname } = new URL(input instanceof Request ? input.url : input);
  return hostname.endsWith('.d.run') ? drun.fetch(input, init) : fetch(input, init);
};

const created = await drun.fetch('https://console.d.run/apis/hydra.io/v1alpha1/apikeys', {
  method: 'POST',
  headers: { authorization: `Bearer ${drun.accessToken.reveal()}` },
  body: JSON.stringify({ name: 'example' }),
});
const { key } = (await created.json()) as { readonly key: string };
process.env.DRUN_API_KEY = key;
process.env.DRUN_ACCESS_TOKEN = drun.accessToken.reveal();
