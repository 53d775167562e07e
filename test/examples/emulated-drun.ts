/**
 * Preloaded into a process (`node --import`), lets it find an emulator where it looks for d.run. Where `DRUN_EMULATOR`
 * is the address of one, calls of `*.d.run` go there; else they are answered in the process, and the variables hold
 * credentials that the emulator accepts.
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
