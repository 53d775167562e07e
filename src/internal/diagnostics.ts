import { builtinModule } from './builtin.ts';

/** A channel of `node:diagnostics_channel`. */
interface Channel {
  readonly hasSubscribers: boolean;
  publish(message: object): void;
}

interface TracingChannel {
  readonly hasSubscribers?: boolean;
  tracePromise(run: () => Promise<void>, message: object): Promise<void>;
}

const module = builtinModule<{
  channel(name: string): Channel;
  tracingChannel(name: string): TracingChannel;
}>('node:diagnostics_channel');

/** Traces each request until its result or the first chunk of its stream arrives. */
export const requestChannel: TracingChannel | undefined = module?.tracingChannel?.('drun-sdk:request');
/** Receives a message at the end of each stream. */
export const streamChannel: Channel | undefined = module?.channel?.('drun-sdk:stream');
/** Receives a message before each retry. */
export const retryChannel: Channel | undefined = module?.channel?.('drun-sdk:retry');
/** Receives the events of key rings. */
export const keyRingChannel: Channel | undefined = module?.channel?.('drun-sdk:key-ring');

/** Traces an asynchronous operation. Unlike `tracePromise()`, does not publish the result. */
export async function trace<T>(channel: TracingChannel, message: object, run: () => Promise<T>): Promise<T> {
  let result: T | undefined;
  await channel.tracePromise(async () => {
    result = await run();
  }, message);
  return result as T;
}
