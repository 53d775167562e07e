/**
 * Preloaded into a process (`node --import`): sends requests for `*.d.run` to the emulator whose address is in
 * `DRUN_EMULATOR`. Without it, an emulator in the process responds, and the environment gets its credentials.
 */
import { createEmulator } from 'drun-sdk/emulator';

const { DRUN_EMULATOR } = process.env;
const { fetch } = globalThis;

const answer = DRUN_EMULATOR === undefined ? emulate() : forwardTo(DRUN_EMULATOR);

globalThis.fetch = (input, init) => {
  const { hostname } = new URL(input instanceof Request ? input.url : input);
  return hostname.endsWith('.d.run') ? answer(input, init) : fetch(input, init);
};

function emulate(): typeof fetch {
  const drun = createEmulator();
  process.env.DRUN_API_KEY = drun.keys.create({ name: 'example' }).secret.reveal();
  process.env.DRUN_ACCESS_TOKEN = drun.accessToken.reveal();
  return drun.fetch;
}

function forwardTo(address: string): typeof fetch {
  return (input, init) => {
    const request = new Request(input, init);
    const { pathname, search } = new URL(request.url);
    return fetch(new Request(new URL(`${pathname}${search}`, address), request));
  };
}
