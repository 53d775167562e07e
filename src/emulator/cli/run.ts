import { createEmulator } from '../emulator.ts';
import { serve } from '../node.ts';
import { DEFAULT_MODELS } from '../options.ts';
import { type Arguments, UsageError } from './arguments.ts';
import { jsonPrinter, plainPrinter } from './printer.ts';

/** What a run needs of its process. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly print: (line: string) => void;
}

/**
 * Serves an emulator as the command line asks.
 *
 * @returns What ends it at once, open streams included.
 * @throws UsageError for what is wrong in the environment; Error where it cannot listen.
 */
export async function run(
  args: Arguments,
  { environment, print }: Surroundings,
): Promise<() => Promise<void>> {
  const printer = args.json ? jsonPrinter : plainPrinter;
  const drun = createEmulator({
    maxKeys: args.maxKeys,
    version: args.version,
    models: args.models,
    accessToken: args.accessToken,
    upstream: args.upstream && { url: args.upstream, apiKey: upstreamKey(environment) },
    onRequest: (request) => print(printer.request(request)),
  });
  if (args.latencyMs > 0) drun.faults.always({ delayMs: args.latencyMs });
  const server = await serve(drun, { port: args.port, host: args.host });
  const hasKey = args.makesKey && args.maxKeys > 0;
  const apiKey = hasKey ? drun.keys.create({ name: 'first' }).secret : undefined;
  print(
    printer.greet({
      url: server.url,
      version: args.version,
      accessToken: drun.accessToken,
      apiKey,
      models: args.models ?? (args.upstream === undefined ? DEFAULT_MODELS : undefined),
      upstream: args.upstream,
    }),
  );
  return async () => {
    await server.close();
    await drun[Symbol.asyncDispose]();
  };
}

function upstreamKey({ DRUN_UPSTREAM_API_KEY: key }: Surroundings['environment']): string | undefined {
  if (key === undefined || key === '') return undefined;
  if (!/^[!-~]+$/.test(key)) {
    throw new UsageError('DRUN_UPSTREAM_API_KEY must be printable ASCII characters without spaces');
  }
  return key;
}
