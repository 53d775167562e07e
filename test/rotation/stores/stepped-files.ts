import * as fs from 'node:fs';
import { basename } from 'node:path';

/** Waits until it is the turn of a system call. */
export type Turn = (call: string) => Promise<void>;

/**
 * As much of `node:fs/promises` as the file store uses, on the real file system. Every system call waits for its turn
 * and is then carried out at once, so that a test decides in which order the calls of several clients happen, and which
 * is the last one of a client that dies. What is synced is not: the tests have no power cut.
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
        // A process that dies closes its files too.
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
