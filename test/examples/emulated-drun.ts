/**
 * Preloaded into a process with `node --import`. Redirects requests for `*.d.run` to the emulator at `DRUN_EMULATOR`, or
 * else creates an emulator in the process and stores its credentials in the environment.
 */
import { createEmulator } from 'drun-sdk/emulator';

const { DRUN_EMULATOR } = process.env;
const { fetch } = globalThis;

const respond = DRUN_EMULATOR === undefined ? emulate() : forwardTo(DRUN_EMULATOR);

globalThis.fetch = (input, init) => {
  const { hostname } = new URL(input instanceof Request ? input.url : input);
  return hostname.endsWith('.d.run') ? respond(input, init) : fetch(input, init);
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
