import type { StoredRecord } from 'drun-sdk/rotation';
import type { Actor, ServiceKey, World } from './world.ts';

/** As much of a record as the invariants speak of. */
interface Record {
  readonly ringId: string;
  readonly seq: number;
  readonly epoch: number;
  readonly current?: Key & { readonly since: number };
  readonly standby?: Key;
  readonly previous?: Key & { readonly retireAt: number };
  readonly pending?: { readonly name: string; readonly phase: string; readonly key?: Key };
  readonly retired: readonly { readonly id: string; readonly reason: string }[];
}

interface Key {
  readonly id: string;
  readonly name: string;
}

/** How many keys a ring may have. */
const BUDGET = 2;

/**
 * What has to hold after every step, whatever the order of the steps. Kept apart from the code under test: it knows the
 * record as the store has it, the keys as the service has them, and nothing else.
 */
export class Invariants {
  /** What did not hold. */
  readonly violations: string[] = [];
  readonly #world: World;
  #record: Record | undefined;
  readonly #accepted = new Set<string>();
  readonly #wasCurrent = new Set<string>();
  /** Until when keys that were current are promised to work. */
  readonly #promised = new Map<string, number>();
  readonly #retired = new Map<string, string>();
  readonly #createdSeqs = new Set<string>();
  /** Keys that were made after their claim was given up. */
  readonly #late = new Set<string>();
  readonly #deletedByHand = new Set<string>();
  readonly #listedBy = new Map<Actor, ReadonlySet<string>>();
  /** What each has read last, and what it had listed before. */
  readonly #readBy = new Map<Actor, { record: Record | undefined; listed: ReadonlySet<string> }>();

  constructor(world: World) {
    this.#world = world;
  }

  get record(): Record | undefined {
    return this.#record;
  }

  /** The keys of the ring that live. */
  get living(): ServiceKey[] {
    const { ringId } = this.#record ?? {};
    if (ringId === undefined) return [];
    return [...this.#world.keys.values()].filter(({ name }) => name.includes(`-${ringId}-`));
  }

  onList(actor: Actor): void {
    this.#listedBy.set(actor, new Set(this.#world.keys.keys()));
  }

  onRead(actor: Actor, stored: StoredRecord | null): void {
    const record = stored === null ? undefined : (JSON.parse(stored.value) as Record);
    this.#readBy.set(actor, { record, listed: this.#listedBy.get(actor) ?? new Set() });
  }

  /** Only what is stored is tried: a secret that is nowhere but in a process may be gone a moment later. */
  onAccepted({ id }: ServiceKey): void {
    if (this.#record !== undefined && uses(this.#record, id)) this.#accepted.add(id);
  }

  onHandDelete(id: string): void {
    this.#deletedByHand.add(id);
  }

  onCreate(key: ServiceKey): void {
    const seq = key.name.split('-').at(-2) ?? '';
    this.#require('I7', !this.#createdSeqs.has(seq), `two keys were made for the number ${seq}`);
    this.#createdSeqs.add(seq);
    if (this.#record?.pending?.name !== key.name) this.#late.add(key.id);
    this.#checkBudget();
    this.check();
  }

  onDelete(actor: Actor, id: string): void {
    const key = this.#world.keys.get(id);
    const record = this.#record;
    // A key that leaked is deleted although the record cannot be told: the one exception.
    if (actor.isRevoking === true && actor.storeFailed === true) {
      this.#deletedByHand.add(id);
      return;
    }
    const reason = this.#retired.get(id);
    const promised = this.#promised.get(id);
    // I3
    if (promised !== undefined && reason !== undefined && reason === 'replaced') {
      this.#require('I3', this.#world.now >= promised, `${id} was deleted before its time`);
    }
    this.#require(
      'I3',
      !(this.#wasCurrent.has(id) && reason === undefined),
      `${id} was current and never retired`,
    );
    // I5
    const { record: read, listed } = this.#readBy.get(actor) ?? { record: undefined, listed: new Set() };
    const isOrphan = listed.has(id) && key !== undefined && read !== undefined && !refers(read, key);
    const isOurs = key?.name.includes(`-${record?.ringId}-`) === true;
    this.#require('I5', reason !== undefined || (isOrphan && isOurs), `${id} was not the ring's to delete`);
    this.#require('I5', record === undefined || !uses(record, id), `${id} is in use by the record`);
  }

  onWrite(value: string): void {
    const before = this.#record;
    const record = JSON.parse(value) as Record;
    this.#record = record;
    const { current, standby, previous, pending, retired } = record;
    // I2
    for (const key of [current, standby]) {
      if (key) this.#require('I2', this.#accepted.has(key.id), `${key.id} was never accepted`);
    }
    if (current) this.#wasCurrent.add(current.id);
    if (previous) this.#promised.set(previous.id, previous.retireAt);
    // I7
    if (before !== undefined) {
      this.#require('I7', record.seq >= before.seq && record.epoch >= before.epoch, 'a number went back');
      this.#require(
        'I7',
        record.epoch <= before.epoch + 1 && record.seq <= before.seq + 1,
        'a number was left out',
      );
      const isPromoted = current !== undefined && current.id !== before.current?.id;
      this.#require('I7', !isPromoted || record.epoch > before.epoch, 'a promotion without an epoch');
    }
    // I8
    for (const { id, reason } of retired) if (!this.#retired.has(id)) this.#retired.set(id, reason);
    for (const id of this.#retired.keys()) {
      this.#require('I8', !uses(record, id), `${id} was retired and is in use again`);
    }
    const isClaim = pending?.phase === 'claimed' && before?.pending?.name !== pending.name;
    if (isClaim) {
      this.#require(
        'I8',
        retired.length === 0 && (previous === undefined || current === undefined),
        'a claim before the old keys were gone',
      );
    }
    this.check();
  }

  /** What has to hold at every instant. */
  check(): void {
    const { current } = this.#record ?? {};
    if (current === undefined) return;
    const key = this.#world.keys.get(current.id);
    const isTampered = this.#deletedByHand.has(current.id) || key?.disabled === true;
    // I1
    this.#require(
      'I1',
      isTampered || (key !== undefined && this.#world.accepts(key)),
      `${current.id} is current and not accepted`,
    );
  }

  /** After everything has settled, and a pass has gone through. */
  checkSettled(): void {
    const record = this.#record;
    const living = this.living.map(({ id }) => id).sort();
    const referred = record === undefined ? [] : idsOf(record).sort();
    this.#require('I6', living.join() === referred.join(), `there are ${living}, the record has ${referred}`);
    this.#require('I10', record?.current !== undefined, 'the ring has no key');
    this.#require(
      'I10',
      record?.pending === undefined && record?.retired.length === 0,
      'something is left undone',
    );
  }

  #checkBudget(): void {
    const inTime = this.living.filter(({ id }) => !this.#late.has(id));
    this.#require('I4', inTime.length <= BUDGET, `${inTime.length} keys at once`);
  }

  #require(name: string, holds: boolean, what: string): void {
    // Noted, not thrown: the code under test would take it for a failure of the service.
    if (!holds) this.violations.push(`${name}: ${what}`);
  }
}

/** The keys that the record gives out, or may give out. */
function uses({ current, standby, previous, pending }: Record, id: string): boolean {
  return [current, standby, previous, pending?.key].some((key) => key?.id === id);
}

function refers(record: Record, { id, name }: Key): boolean {
  return uses(record, id) || record.pending?.name === name || record.retired.some((key) => key.id === id);
}

function idsOf({ current, standby, previous, pending }: Record): string[] {
  return [current, standby, previous, pending?.key].flatMap((key) => (key ? [key.id] : []));
}
