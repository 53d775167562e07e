import * as fs from 'node:fs';
import { basename } from 'node:path';

/** Waits until a system call may run. */
export type Turn = (call: string) => Promise<void>;

/**
 * The functions of `node:fs/promises` that the file store uses, on the real file system. Each system call waits for its
 * turn and is then executed synchronously. A test thus controls the order of the calls of several clients, and the last
 * call of a client that crashes. Nothing is synced, because the tests do not simulate power failures.
 */
export function steppedFiles(turn: Turn) {
  return {
    async mkdir(path: string, options: fs.MakeDirectoryOptions) {
      await turn(`mkdir ${basename(path)}`);
      return fs.mkdirSync(path, options);
    },
    async open(path: string, flags: string, mode?: number) {
      await turn(`open ${basename(path)}`);
      const file = fs.openSync(path, flags, mode);
      return {
        async writeFile(text: string) {
          await turn(`write ${basename(path)}`);
          fs.writeSync(file, text);
        },
        sync: () => turn(`sync ${basename(path)}`),
        // A crash also closes the files of a process.
        close: async () => fs.closeSync(file),
      };
    },
    async readdir(path: string) {
      await turn(`readdir ${basename(path)}`);
      return fs.readdirSync(path);
    },
    async readFile(path: string, encoding: BufferEncoding) {
      await turn(`read ${basename(path)}`);
      return fs.readFileSync(path, encoding);
    },
    async link(from: string, to: string) {
      await turn(`link ${basename(to)}`);
      fs.linkSync(from, to);
    },
    async stat(path: string) {
      await turn(`stat ${basename(path)}`);
      return fs.statSync(path);
    },
    async access(path: string, mode: number) {
      await turn(`access ${basename(path)}`);
      fs.accessSync(path, mode);
    },
    constants: fs.constants,
    async unlink(path: string) {
      await turn(`unlink ${basename(path)}`);
      fs.unlinkSync(path);
    },
  };
}
