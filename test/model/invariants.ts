import type { StoredDocument } from '../support/test-store.ts';
import { type Actor, GRACE_MS, type ServiceKey, type World } from './world.ts';

/** Number of keys that a ring may have. */
const MAX_KEYS = 2;

/**
 * Conditions that hold after every step. They are independent of the code under test: they depend only on the stored
 * record and on the keys of the service.
 */
export class Invariants {
  readonly violations: string[] = [];
  /** False if the service's clock jumps forward, which shortens grace periods. */
  checksGracePeriod = true;
  readonly #world: World;
  #record: StoredDocument | undefined;
  readonly #accepted = new Set<string>();
  readonly #retired = new Set<string>();
  readonly #createdSeqs = new Set<number>();
  /** Keys that are not counted, because their creator could not know that its lease had expired. */
  readonly #late = new Set<string>();
  /** Times at which keys were replaced. */
  readonly #replacedAt = new Map<string, number>();
  /** Keys deleted by another client, or by a revocation without access to the store. */
  readonly #deletedElsewhere = new Set<string>();
  /** Whether the current key was revoked without a standby. */
  #mayLackKey = true;

  constructor(world: World) {
    this.#world = world;
  }

  get record(): StoredDocument | undefined {
    return this.#record;
  }

  report(violation: string): void {
    this.violations.push(violation);
  }

  onRead(actor: Actor): void {
    const record = this.#record;
    for (const key of actor.listed) {
      if (record === undefined || !isReferenced(record, key)) actor.orphans.add(key.id);
      else actor.orphans.delete(key.id);
    }
  }

  onAccepted(id: string): void {
    // A verification counts only after the secret is stored: until then, a crash loses it.
    if (this.#record && isInUse(this.#record, id)) this.#accepted.add(id);
  }

  onExternalDelete(id: string): void {
    this.#deletedElsewhere.add(id);
  }

  onCreate({ id, seq }: ServiceKey, isLate: boolean): void {
    if (isLate) this.#late.add(id);
    this.#require('I7', !this.#createdSeqs.has(seq), `two keys were created for number ${seq}`);
    this.#createdSeqs.add(seq);
  }

  onDelete(actor: Actor, id: string): void {
    const record = this.#record;
    if (this.#retired.has(id)) return;
    if (actor.call?.isRevocation && record && isInUse(record, id)) {
      // A revocation deletes the key even if the store is unreachable.
      this.#deletedElsewhere.add(id);
      return;
    }
    this.#require('I5', actor.orphans.has(id), `${id} was not an orphan when the record was read`);
    this.#require('I5', record === undefined || !isInUse(record, id), `${id} is in use`);
  }

  onWrite(value: string, actor: Actor): void {
    const before = this.#record;
    const record = JSON.parse(value) as StoredDocument;
    this.#record = record;
    const { current, standby, previous, pending, retired } = record;
    for (const key of [current, standby]) {
      if (key)
        this.#require('I2', this.#accepted.has(key.id), `${key.id} was never accepted after it was stored`);
    }
    if (before !== undefined) {
      const seqs = record.seq - before.seq;
      const epochs = record.epoch - before.epoch;
      this.#require(
        'I7',
        seqs >= 0 && seqs <= 1 && epochs >= 0 && epochs <= 1,
        'a number was skipped or went back',
      );
      const isPromotion = current !== undefined && current.id !== before.current?.id;
      this.#require('I7', !isPromotion || epochs === 1, 'a promotion without an epoch');
    }
    const previousBefore = before?.previous;
    if (previous && previous.id !== previousBefore?.id) this.#replacedAt.set(previous.id, this.#world.now);
    if (
      previousBefore &&
      retired.some(({ id, reason }) => id === previousBefore.id && reason === 'replaced')
    ) {
      const heldMs = this.#world.now - (this.#replacedAt.get(previousBefore.id) ?? 0);
      this.#require(
        'I3',
        !this.checksGracePeriod || heldMs >= GRACE_MS,
        `${previousBefore.id} was retired after ${heldMs} ms`,
      );
    }
    for (const { id, reason } of retired) {
      const isAlive = reason === 'missing' && !this.#retired.has(id) && this.#world.keys.has(id);
      this.#require('I1', !isAlive, `${id} was replaced as missing, and is alive`);
      this.#retired.add(id);
    }
    for (const id of this.#retired)
      this.#require('I8', !isInUse(record, id), `${id} was retired and is in use again`);
    const isClaim = pending?.phase === 'claimed' && before?.pending?.name !== pending.name;
    if (isClaim)
      this.#require('I8', before?.retired.length === 0, `${actor.name} claims while a key is retired`);
    const currentBefore = before?.current;
    if (currentBefore && !current) {
      this.#mayLackKey = true;
      this.#require(
        'I1',
        retired.some(({ id }) => id === currentBefore.id),
        'the current key disappeared',
      );
    }
    if (current) this.#mayLackKey = false;
  }

  /** Checks the invariants that hold at every moment. */
  check(): void {
    const record = this.#record;
    if (record === undefined) return;
    const { current, previous, standby } = record;
    if (current === undefined) this.#require('I1', this.#mayLackKey, 'there is no current key');
    for (const [invariant, key] of [
      ['I1', current],
      ['I2', standby],
      ['I3', previous],
    ] as const) {
      if (key === undefined || this.#deletedElsewhere.has(key.id)) continue;
      this.#require(invariant, this.#world.keys.has(key.id), `${key.id} is in use and deleted`);
    }
    const liveKeys = this.liveKeys.map(({ id }) => id).filter((id) => !this.#late.has(id));
    this.#require(
      'I4',
      liveKeys.length <= MAX_KEYS,
      `${liveKeys.length} keys are alive: ${liveKeys.join(', ')}`,
    );
  }

  /** Checks the invariants that hold once no faults occur and enough reconciliations have completed. */
  checkQuiescent(): void {
    const record = this.#record;
    const ids = record ? [record.current, record.standby, record.previous, record.pending?.key] : [];
    const known = ids
      .flatMap((key) => (key ? [key.id] : []))
      .sort()
      .join();
    const liveKeys = this.liveKeys
      .map(({ id }) => id)
      .sort()
      .join();
    this.#require('I6', liveKeys === known, `the service has ${liveKeys}, the record ${known}`);
    this.#require('I10', record?.current !== undefined, 'there is no current key in the end');
    const { standby } = this.#world.circumstances;
    this.#require('I10', !standby || record?.standby !== undefined, 'there is no standby in the end');
    const remaining = [
      record?.pending?.phase,
      record?.previous?.id,
      ...(record?.retired ?? []).map(({ id }) => id),
    ];
    this.#require(
      'I10',
      remaining.every((part) => part === undefined),
      `something is left: ${remaining.join(' ')}`,
    );
    this.#require('I10', record?.rotateEpoch === undefined, 'a requested rotation is left');
  }

  /** The ring's keys that exist at the service. */
  get liveKeys(): ServiceKey[] {
    const { ringId } = this.#record ?? {};
    return [...this.#world.keys.values()].filter(({ name }) => name.includes(`-${ringId}-`));
  }

  #require(invariant: string, holds: boolean, message: string): void {
    // Recorded instead of thrown, because the code under test would treat an error as a failure of the service.
    if (!holds) this.violations.push(`${invariant}: ${message}`);
  }
}

function isInUse({ current, standby, previous, pending }: StoredDocument, id: string): boolean {
  return [current, standby, previous, pending?.key].some((key) => key?.id === id);
}

function isReferenced(record: StoredDocument, { id, name }: ServiceKey): boolean {
  return isInUse(record, id) || record.pending?.name === name || record.retired.some((key) => key.id === id);
}
