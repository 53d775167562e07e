import { builtinModule } from './builtin.ts';

type RunDetached = <Args extends unknown[], Result>(task: (...args: Args) => Result, ...args: Args) => Result;

interface AsyncHooks {
  readonly AsyncLocalStorage?: { readonly snapshot?: () => RunDetached } | undefined;
}

/**
 * Runs a task outside the async context of its caller.
 *
 * Otherwise, polls and timers that outlive a call would retain the `AsyncLocalStorage` context of the first request
 * forever: its trace would never end, and its memory would never be freed.
 */
export const runDetached: RunDetached = /* @__PURE__ */ captureContext();

/** Returns a function that runs tasks in the current async context, if the runtime supports async contexts. */
export function captureContext(): RunDetached {
  const hooks = builtinModule<AsyncHooks>('node:async_hooks');
  return hooks?.AsyncLocalStorage?.snapshot?.() ?? ((task, ...args) => task(...args));
}
