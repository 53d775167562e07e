import { setImmediate as turn } from 'node:timers/promises';
import type fc from 'fast-check';

interface Task {
  readonly label: string;
  readonly run: () => void;
}

/** A scheduler whose next task the test chooses, by what it is called. */
export class HandScheduler implements Pick<fc.Scheduler, 'schedule'> {
  readonly #tasks: Task[] = [];

  readonly schedule = <Value>(task: Promise<Value>, label = ''): Promise<Value> =>
    new Promise((resolve) => {
      this.#tasks.push({ label, run: () => resolve(task) });
    });

  /** Carries out one call of an actor, whatever it is: the request and the answer to it. */
  async runCall(actor: string): Promise<void> {
    await turn();
    const label = this.#tasks.find((task) => task.label.startsWith(`${actor}: `))?.label ?? '';
    await this.run(actor, `answer to ${label.slice(actor.length + 2)}`);
  }

  /** Carries out the tasks of one actor, one after the other, up to and with the first that is called so. */
  async run(actor: string, last: string): Promise<void> {
    await turn();
    for (;;) {
      const index = this.#tasks.findIndex(({ label }) => label.startsWith(`${actor}: `));
      const [task] = index === -1 ? [] : this.#tasks.splice(index, 1);
      if (task === undefined) throw new Error(`${actor} has nothing to do before: ${last}`);
      await this.#carryOut(task);
      if (task.label === `${actor}: ${last}`) return;
    }
  }

  /** Carries out everything, in the order in which it came, until nothing is left: what is dead leaves nothing. */
  async runAll(): Promise<void> {
    await turn();
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) {
      await this.#carryOut(task);
    }
  }

  /** The same, for the work that it is to come of. */
  async settle<Value>(work: PromiseLike<Value> | Value): Promise<Value> {
    await this.runAll();
    return work;
  }

  /** Resolves when everything that the task brought about, and that nobody schedules, has happened. */
  async #carryOut(task: Task): Promise<void> {
    task.run();
    await turn();
  }
}
