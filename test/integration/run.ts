import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Tally } from './reader.ts';
import type { Word } from './rotator.ts';
import type { Opening, Seen } from './service.ts';
import type { StoreAddress, Surroundings } from './settings.ts';

const READERS = 8;
const ROTATORS = 3;
/** How long a rotator lives at the most. */
const LONGEST_LIFE_MS = 30_000;
/** How soon after it has done something a rotator is killed, where that is what kills it. */
const LONGEST_AFTERMATH_MS = 5;

/** What the rotators did until now. */
export interface Rotations {
  readonly epoch: number;
  readonly minted: number;
  readonly orphansSwept: number;
  readonly killed: number;
  /** What made passes fail. */
  readonly failures: readonly string[];
}

/** A service with its readers and rotators, each a process, on one store. */
export class Run implements AsyncDisposable {
  readonly surroundings: Surroundings;
  readonly #service: ChildProcess;
  readonly #readers: ChildProcess[] = [];
  readonly #rotators = new Set<ChildProcess>();
  readonly #counts = { epoch: 0, minted: 0, orphansSwept: 0, killed: 0 };
  readonly #failures: string[] = [];
  readonly #heard = new EventTarget();
  #isOver = false;

  private constructor(service: ChildProcess, surroundings: Surroundings) {
    this.#service = service;
    this.surroundings = surroundings;
  }

  /** Starts the service. */
  static async begin(store: StoreAddress, encryptionKey: string): Promise<Run> {
    const service = start('service.ts');
    const { url, accessToken } = (await answerOf(service)) as Opening;
    return new Run(service, { url, accessToken, store, encryptionKey });
  }

  /** Starts the rotators, each of which is killed after a while and followed by another one. */
  startRotators(): void {
    for (let number = 0; number < ROTATORS; number++) this.#startRotator();
  }

  /** Starts the readers; resolves once each has had an answer. */
  async startReaders(): Promise<void> {
    for (let number = 0; number < READERS; number++) {
      this.#readers.push(start('reader.ts', this.surroundings));
    }
    await Promise.all(this.#readers.map(answerOf));
  }

  get rotations(): Rotations {
    return { ...this.#counts, failures: this.#failures };
  }

  /** Resolves once so many keys have been the current one. */
  async epochComes(epoch: number): Promise<void> {
    while (this.#counts.epoch < epoch) await once(this.#heard, 'word');
  }

  /** Kills no rotator any more, and waits for each to end what it is at. */
  async rest(): Promise<void> {
    this.#isOver = true;
    await Promise.all(
      [...this.#rotators].map(async (rotator) => {
        const gone = once(rotator, 'exit');
        rotator.send('rest');
        await gone;
      }),
    );
  }

  /** What every reader has to say. */
  async tallies(): Promise<Tally[]> {
    return (await Promise.all(this.#readers.map(ask))) as Tally[];
  }

  async seenByService(): Promise<Seen> {
    return (await ask(this.#service)) as Seen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    const all = [...this.#readers, ...this.#rotators, this.#service].filter(
      ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
    );
    await Promise.all(
      all.map(async (child) => {
        const gone = once(child, 'exit');
        child.kill('SIGKILL');
        await gone;
      }),
    );
  }

  #startRotator(): void {
    const rotator = start('rotator.ts', this.surroundings);
    this.#rotators.add(rotator);
    const kill = (): void => {
      if (this.#isOver || !this.#rotators.delete(rotator)) return;
      rotator.kill('SIGKILL');
      this.#counts.killed++;
      this.#startRotator();
    };
    rotator.on('message', (word: Word) => {
      this.#hear(word);
      // Some die of old age, which is mostly while they wait; others in the middle of what they are doing.
      if (word.what === 'begun') killIn(LONGEST_LIFE_MS, kill);
      else if (Math.random() < 0.15) killIn(LONGEST_AFTERMATH_MS, kill);
    });
  }

  #hear(word: Word): void {
    if (word.what === 'created') this.#counts.minted++;
    if (word.what === 'orphan-deleted') this.#counts.orphansSwept++;
    if (word.what === 'error') this.#failures.push(word.reason);
    if (word.what === 'rotated') this.#counts.epoch = Math.max(this.#counts.epoch, word.epoch);
    this.#heard.dispatchEvent(new Event('word'));
  }
}

function killIn(longestMs: number, kill: () => void): void {
  void setTimeout(Math.random() * longestMs).then(kill);
}

/** From the source: Node strips the types. */
function start(program: string, surroundings?: Surroundings): ChildProcess {
  const path = fileURLToPath(new URL(program, import.meta.url));
  return fork(path, surroundings === undefined ? [] : [JSON.stringify(surroundings)], { execArgv: [] });
}

async function ask(child: ChildProcess): Promise<unknown> {
  const answer = answerOf(child);
  child.send('how is it going?');
  return answer;
}

async function answerOf(child: ChildProcess): Promise<unknown> {
  const ended = new AbortController();
  try {
    const [answer] = await Promise.race([
      once(child, 'message', { signal: ended.signal }),
      once(child, 'exit', { signal: ended.signal }).then(() =>
        Promise.reject(new Error('a process has ended')),
      ),
    ]);
    return answer;
  } finally {
    ended.abort();
  }
}
