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

  /** Carries out everything, in the order in which it came, until the promise is settled. */
  async runAll(until: Promise<unknown>): Promise<void> {
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    until.then(over, over);
    while (!isOver) {
      const task = this.#tasks.shift();
      if (task === undefined) await turn();
      else await this.#carryOut(task);
    }
  }

  /** Resolves when everything that the task brought about, and that nobody schedules, has happened. */
  async #carryOut(task: Task): Promise<void> {
    task.run();
    await turn();
  }
}
