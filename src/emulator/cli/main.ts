#!/usr/bin/env node
import { HELP, readArguments, UsageError } from './arguments.ts';
import { run } from './run.ts';

/** Without the name of the function that says so. */
const reasonOf = (error: unknown): string => (error as Error).message.replace(/^serve: /, '');

const { stdout, stderr, env, argv } = process;

/** As much as waits for a reader; what is printed beyond that is lost, rather than kept for ever. */
const LONGEST_BACKLOG = 1024 * 1024;

const print = (line: string): void => {
  if (stdout.writableLength < LONGEST_BACKLOG) stdout.write(`${line}\n`);
};

// The reader may stop reading: `drun-sdk emulator | head -1`.
stdout.on('error', () => process.exit());

try {
  const args = readArguments(argv.slice(2));
  if (args === undefined) {
    stdout.write(HELP);
  } else {
    const end = await run(args, { environment: env, print });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => void end().finally(() => process.exit()));
    }
  }
} catch (error) {
  const isUsage = error instanceof UsageError;
  stderr.write(`drun-sdk: ${reasonOf(error)}${isUsage ? '; see --help' : ''}\n`);
  process.exitCode = isUsage ? 2 : 1;
}
