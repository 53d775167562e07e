/**
 * Preloaded into a process (`node --import`), lets it find an emulator where it looks for d.run: calls of `*.d.run` are
 * answered in the process, and the variables hold credentials that the emulator accepts.
 */
import { createEmulator } from 'drun-sdk/emulator';

const drun = createEmulator();
const { fetch } = globalThis;

globalThis.fetch = (input, init) => {
  const { hostname } = new URL(input instanceof Request ? input.url : input);
  return hostname.endsWith('.d.run') ? drun.fetch(input, init) : fetch(input, init);
};

process.env.DRUN_API_KEY = drun.keys.create({ name: 'example' }).secret.reveal();
process.env.DRUN_ACCESS_TOKEN = drun.accessToken.reveal();
