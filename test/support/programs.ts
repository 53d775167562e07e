import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where a program of this machine is; undefined where it is not installed. */
export function findProgram(name: string, ...folders: string[]): string | undefined {
  const searched = [
    ...(process.env.PATH ?? '').split(delimiter),
    ...folders.flatMap((folder) => globSync(folder)),
  ];
  return searched.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** A server that a test has started. */
export interface ServerProcess {
  /** Ends it, and resolves once it has ended. */
  end(signal: NodeJS.Signals): Promise<void>;
}

export interface StartOptions {
  /** What it prints once it answers. */
  readonly ready: string;
  /** Who it runs as: some servers refuse to be root. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  readonly folder: string;
}

/** Starts a server; resolves once it answers. It ends with this process at the latest. */
export async function startServer(
  program: string,
  args: readonly string[],
  { ready, user, folder }: StartOptions,
): Promise<ServerProcess> {
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], ...user });
  const endWithUs = (): void => void child.kill('SIGKILL');
  process.once('exit', endWithUs);
  const closed = once(child, 'close').finally(() => process.off('exit', endWithUs));
  let output = '';
  const answers = new Promise<void>((resolve) => {
    // Read to the end: a process whose output nobody reads has to wait.
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk) => {
        output = (output + chunk).slice(-4_096);
        if (output.includes(ready)) resolve();
      });
    }
  });
  const ended = closed.then(() => Promise.reject(new Error(`${program} has ended:\n${output}`)));
  await Promise.race([answers, ended]);
  return {
    async end(signal) {
      child.kill(signal);
      await closed;
    },
  };
}
