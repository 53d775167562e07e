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

/** Requests, from sending until the result or the first chunk of a stream arrives. */
export const requestChannel: TracingChannel | undefined = module?.tracingChannel?.('drun-sdk:request');
/** Streams that have ended. */
export const streamChannel: Channel | undefined = module?.channel?.('drun-sdk:stream');
/** Requests that are about to be repeated. */
export const retryChannel: Channel | undefined = module?.channel?.('drun-sdk:retry');
/** Events of key rings. */
export const keyRingChannel: Channel | undefined = module?.channel?.('drun-sdk:key-ring');

/** Publishes the events of an asynchronous operation. Unlike `tracePromise()`, it does not publish the result. */
export async function trace<T>(channel: TracingChannel, message: object, run: () => Promise<T>): Promise<T> {
  let result: T | undefined;
  await channel.tracePromise(async () => {
    result = await run();
  }, message);
  return result as T;
}
