import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { RunConfig, StoreAddress } from './config.ts';
import type { ReaderStatistics } from './reader.ts';
import type { RotatorMessage } from './rotator.ts';
import type { ServiceAddress, ServiceStatistics } from './service.ts';

const READERS = 8;
const ROTATORS = 3;
/** Maximum lifetime of a rotator. */
const MAX_LIFETIME_MS = 30_000;
/** Maximum delay between an event of a rotator and killing it. */
const MAX_KILL_DELAY_MS = 5;

export interface RotatorStatistics {
  readonly epoch: number;
  readonly keysCreated: number;
  readonly orphansDeleted: number;
  readonly killed: number;
  /** Errors of failed rotations. */
  readonly failures: readonly string[];
}

/** A service, readers and rotators that share a store. Each one is a process. */
export class Run implements AsyncDisposable {
  readonly config: RunConfig;
  readonly #service: ChildProcess;
  readonly #readers: ChildProcess[] = [];
  readonly #rotators = new Set<ChildProcess>();
  readonly #counts = { epoch: 0, keysCreated: 0, orphansDeleted: 0, killed: 0 };
  readonly #failures: string[] = [];
  readonly #events = new EventTarget();
  #isStopping = false;

  private constructor(service: ChildProcess, config: RunConfig) {
    this.#service = service;
    this.config = config;
  }

  /** Starts the service. */
  static async start(store: StoreAddress, encryptionKey: string): Promise<Run> {
    const service = startProcess('service.ts');
    const { url, accessToken } = (await nextMessage(service)) as ServiceAddress;
    return new Run(service, { url, accessToken, store, encryptionKey });
  }

  /** Starts the rotators. Each one is killed and replaced at a random time. */
  startRotators(): void {
    for (let number = 0; number < ROTATORS; number++) this.#startRotator();
  }

  /** Starts the readers. Resolves after the first call of each one. */
  async startReaders(): Promise<void> {
    for (let number = 0; number < READERS; number++) {
      this.#readers.push(startProcess('reader.ts', this.config));
    }
    await Promise.all(this.#readers.map(nextMessage));
  }

  get rotations(): RotatorStatistics {
    return { ...this.#counts, failures: this.#failures };
  }

  /** Resolves when the ring has reached an epoch. */
  async waitForEpoch(epoch: number): Promise<void> {
    while (this.#counts.epoch < epoch) await once(this.#events, 'message');
  }

  /** Stops the rotators after their current rotation. */
  async stopRotators(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(
      [...this.#rotators].map(async (rotator) => {
        const exited = once(rotator, 'exit');
        rotator.send('stop');
        await exited;
      }),
    );
  }

  async readerStatistics(): Promise<ReaderStatistics[]> {
    return (await Promise.all(this.#readers.map(requestStatistics))) as ReaderStatistics[];
  }

  async serviceStatistics(): Promise<ServiceStatistics> {
    return (await requestStatistics(this.#service)) as ServiceStatistics;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    const all = [...this.#readers, ...this.#rotators, this.#service].filter(
      ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
    );
    await Promise.all(
      all.map(async (child) => {
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
      }),
    );
  }

  #startRotator(): void {
    const rotator = startProcess('rotator.ts', this.config);
    this.#rotators.add(rotator);
    const kill = (): void => {
      if (this.#isStopping || !this.#rotators.delete(rotator)) return;
      rotator.kill('SIGKILL');
      this.#counts.killed++;
      this.#startRotator();
    };
    rotator.on('message', (message: RotatorMessage) => {
      this.#handle(message);
      // Kills some rotators at a random time, mostly while they wait, and others right after an event.
      if (message.type === 'started') killWithin(MAX_LIFETIME_MS, kill);
      else if (Math.random() < 0.15) killWithin(MAX_KILL_DELAY_MS, kill);
    });
  }

  #handle(message: RotatorMessage): void {
    if (message.type === 'created') this.#counts.keysCreated++;
    if (message.type === 'orphan-deleted') this.#counts.orphansDeleted++;
    if (message.type === 'error') this.#failures.push(message.reason);
    if (message.type === 'rotated') this.#counts.epoch = Math.max(this.#counts.epoch, message.epoch);
    this.#events.dispatchEvent(new Event('message'));
  }
}

function killWithin(maxMs: number, kill: () => void): void {
  void setTimeout(Math.random() * maxMs).then(kill);
}

/** Starts a TypeScript program. Node strips the types. */
function startProcess(program: string, config?: RunConfig): ChildProcess {
  const path = fileURLToPath(new URL(program, import.meta.url));
  return fork(path, config === undefined ? [] : [JSON.stringify(config)], { execArgv: [] });
}

async function requestStatistics(child: ChildProcess): Promise<unknown> {
  const message = nextMessage(child);
  child.send('statistics');
  return message;
}

async function nextMessage(child: ChildProcess): Promise<unknown> {
  const controller = new AbortController();
  try {
    const [message] = await Promise.race([
      once(child, 'message', { signal: controller.signal }),
      once(child, 'exit', { signal: controller.signal }).then(() =>
        Promise.reject(new Error('a process exited')),
      ),
    ]);
    return message;
  } finally {
    controller.abort();
  }
}
