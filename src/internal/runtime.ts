/** Returns a built-in Node module, or `undefined` in runtimes that lack it, where importing it would fail. */
function builtinModule<T>(name: string): Partial<T> | undefined {
  const { process } = globalThis as {
    readonly process?: { readonly getBuiltinModule?: (name: string) => Partial<T> | undefined };
  };
  return process?.getBuiltinModule?.(name);
}

type RunDetached = <Args extends unknown[], Result>(task: (...args: Args) => Result, ...args: Args) => Result;

/**
 * Runs a task outside the async context of its caller.
 *
 * Otherwise, polls and timers that outlive a call would retain the `AsyncLocalStorage` context of the first request
 * forever: its trace would never end, and its memory would never be freed.
 */
export const runDetached: RunDetached = /* @__PURE__ */ captureContext();

/** Returns a function that runs tasks in the current async context, if the runtime supports async contexts. */
export function captureContext(): RunDetached {
  const hooks = builtinModule<{ AsyncLocalStorage: { snapshot?: () => RunDetached } }>('node:async_hooks');
  return hooks?.AsyncLocalStorage?.snapshot?.() ?? ((task, ...args) => task(...args));
}

interface TracingChannel {
  readonly hasSubscribers?: boolean;
  tracePromise(run: () => Promise<void>, message: object): Promise<void>;
}

const diagnostics = /* @__PURE__ */ builtinModule<{
  channel(name: string): { readonly hasSubscribers: boolean; publish(message: object): void };
  tracingChannel(name: string): TracingChannel;
}>('node:diagnostics_channel');

/** Traces each request until its result or the first chunk of its stream arrives. */
export const requestChannel = diagnostics?.tracingChannel?.('drun-sdk:request');
/** Receives a message at the end of each stream. */
export const streamChannel = diagnostics?.channel?.('drun-sdk:stream');
/** Receives a message before each retry. */
export const retryChannel = diagnostics?.channel?.('drun-sdk:retry');
/** Receives the events of key rings. */
export const keyRingChannel = diagnostics?.channel?.('drun-sdk:key-ring');

/** Traces an asynchronous operation. Unlike `tracePromise()`, does not publish the result. */
export async function trace<T>(channel: TracingChannel, message: object, run: () => Promise<T>): Promise<T> {
  let result: T | undefined;
  await channel.tracePromise(async () => {
    result = await run();
  }, message);
  return result as T;
}
