import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Returns the path of an installed program, or `undefined`. */
export function findProgram(name: string, ...folders: string[]): string | undefined {
  const searched = [
    ...(process.env.PATH ?? '').split(delimiter),
    ...folders.flatMap((folder) => globSync(folder)),
  ];
  return searched.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** A server process that a test started. */
export interface ServerProcess {
  /** Sends a signal, and resolves when the process has exited. */
  stop(signal: NodeJS.Signals): Promise<void>;
}

export interface StartOptions {
  /** Output that shows that the server is ready. */
  readonly ready: string;
  /** The user that runs the server. Some servers refuse to run as root. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  readonly folder: string;
}

/** Starts a server, and resolves when it is ready. The server is killed when this process exits. */
export async function startServer(
  program: string,
  args: readonly string[],
  { ready, user, folder }: StartOptions,
): Promise<ServerProcess> {
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], ...user });
  const killOnExit = (): void => void child.kill('SIGKILL');
  process.once('exit', killOnExit);
  const closed = once(child, 'close').finally(() => process.off('exit', killOnExit));
  let output = '';
  const isReady = new Promise<void>((resolve) => {
    // The output is read until the process exits, because a process blocks when its pipe is full.
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk) => {
        output = (output + chunk).slice(-4_096);
        if (output.includes(ready)) resolve();
      });
    }
  });
  const exited = closed.then(() => Promise.reject(new Error(`${program} exited:\n${output}`)));
  await Promise.race([isReady, exited]);
  return {
    async stop(signal) {
      child.kill(signal);
      await closed;
    },
  };
}
