import { isRecord, parseJson } from '../internal/json.ts';
import type { ToolCall } from './content.ts';
import { DELTA, mergeField, mergeFields, newFields, toPlain } from './merge.ts';
import type { Fields } from './normalize.ts';

interface PendingCall {
  /** As the server numbers it, if it does. */
  readonly index: number | undefined;
  id: string | undefined;
  /** All fields but `id` and `index`. */
  readonly fields: Fields;
}

/**
 * The tool calls of one choice, assembled from deltas.
 *
 * Servers disagree on how a delta names its call: by `index`, by `id`, by both, by an `id` that is new in every delta, or
 * not at all. Some number all calls 0, some send a call whole and the next one in the same delta.
 */
export class ToolCallList {
  readonly #calls: PendingCall[] = [];
  /** Calls of a whole response keep their `index`, which the server did not mean for assembling. */
  #isWhole = false;

  get length(): number {
    return this.#calls.length;
  }

  /** Adds the calls of a whole message. */
  addWhole(calls: readonly Fields[]): void {
    this.#isWhole = true;
    for (const call of calls) this.#merge(this.#begin(call), call);
  }

  /** Adds the `tool_calls` of one delta. */
  addDelta(deltas: readonly Fields[]): void {
    const touched = new Set<PendingCall>();
    for (let position = 0; position < deltas.length; position++) {
      const delta = deltas[position] as Fields;
      const call = this.#find(delta, deltas.length - position, touched) ?? this.#begin(delta);
      touched.add(call);
      this.#merge(call, delta);
    }
  }

  /**
   * Returns the calls so far. Calls without an id get one.
   *
   * @param seed - Makes the ids of different completions differ.
   * @param isFinished - Whether the calls are complete, so that missing arguments mean that there are none.
   */
  build(seed: string, isFinished: boolean): ToolCall[] {
    const calls = this.#calls.every(({ index }) => index !== undefined)
      ? this.#calls.toSorted((a, b) => (a.index ?? 0) - (b.index ?? 0))
      : this.#calls;
    const ids = new Set(calls.map(({ id }) => id));
    return calls.map(({ id, index, fields }, position) => {
      const { function: called, ...rest } = toPlain(fields) as Fields;
      const isCustom = called === undefined && isRecord(rest.custom);
      return {
        ...(this.#isWhole && index !== undefined && { index }),
        ...rest,
        id: id ?? newId(`${seed} ${position} ${JSON.stringify(called)}`, ids),
        type: rest.type ?? (isCustom ? 'custom' : 'function'),
        ...(!isCustom && { function: toFunction(called as Fields | undefined, isFinished) }),
      } as unknown as ToolCall;
    });
  }

  #begin(delta: Fields): PendingCall {
    const call = { index: indexOf(delta), id: undefined, fields: newFields() };
    this.#calls.push(call);
    return call;
  }

  /** @param remaining - Number of deltas from this one to the last of its chunk. */
  #find(delta: Fields, remaining: number, touched: ReadonlySet<PendingCall>): PendingCall | undefined {
    const index = indexOf(delta);
    const id = idOf(delta);
    const name = nameOf(delta);
    const sameId = id === undefined ? undefined : this.#calls.findLast((call) => call.id === id);
    if (index !== undefined) {
      const call = this.#calls.findLast((candidate) => candidate.index === index);
      if (call === undefined || call === sameId || name === '') return call;
      if (id !== undefined && call.id !== undefined) return undefined;
      return touched.has(call) || isAnotherCall(call, delta) ? undefined : call;
    }
    if (sameId !== undefined) return sameId;
    const last = this.#calls.at(-1);
    if (last === undefined) return undefined;
    if (name !== '') {
      const isContinued =
        (id === undefined || last.id === undefined) &&
        nameOf(last.fields) === name &&
        !touched.has(last) &&
        !isAnotherCall(last, delta);
      return isContinued ? last : undefined;
    }
    // Several deltas without a name continue the last calls in their order.
    const call = this.#calls.at(-remaining);
    return call !== undefined && !touched.has(call) ? call : undefined;
  }

  #merge(call: PendingCall, delta: Fields): void {
    call.id ??= idOf(delta);
    for (const name in delta) {
      const value = delta[name];
      if (name === 'id' || name === 'index') continue;
      if ((name === 'function' || name === 'custom') && isRecord(value))
        mergeCalled(call.fields, name, value);
      else mergeField(call.fields, name, value, DELTA);
    }
  }
}

/** Merges what is called: a `function`, a `custom` tool, or the older `function_call`. Its name may arrive in fragments. */
export function mergeCalled(target: Fields, field: string, delta: Fields): void {
  const { name, ...rest } = delta;
  const called = isRecord(target[field]) ? (target[field] as Fields) : newFields();
  target[field] = mergeFields(called, rest, DELTA);
  if (typeof name !== 'string') return;
  const before = typeof called.name === 'string' ? called.name : '';
  // Some servers repeat the name in every delta.
  called.name = before === name ? before : before + name;
}

/**
 * Whether a delta with a name starts a call although its index, or the lack of one, says otherwise: the arguments of the
 * call have begun, so its name is complete.
 */
function isAnotherCall(call: PendingCall, delta: Fields): boolean {
  const before = argumentsOf(call.fields);
  if (before === '') return false;
  if (nameOf(call.fields) !== nameOf(delta)) return true;
  return argumentsOf(delta).trimStart().startsWith('{') && parseJson(before) !== undefined;
}

function calledIn({ function: called, custom }: Fields): Fields {
  if (isRecord(called)) return called;
  return isRecord(custom) ? custom : {};
}

function nameOf(call: Fields): string {
  const { name } = calledIn(call);
  return typeof name === 'string' ? name : '';
}

function argumentsOf(call: Fields): string {
  const { arguments: text, input } = calledIn(call);
  if (typeof text === 'string') return text;
  return typeof input === 'string' ? input : '';
}

function idOf({ id }: Fields): string | undefined {
  if (typeof id === 'number') return String(id);
  return typeof id === 'string' && id !== '' ? id : undefined;
}

function indexOf({ index }: Fields): number | undefined {
  const number = typeof index === 'string' && index.trim() !== '' ? Number(index) : index;
  return typeof number === 'number' && Number.isInteger(number) ? number : undefined;
}

function toFunction(called: Fields | undefined, isFinished: boolean): Fields {
  const text = typeof called?.arguments === 'string' ? called.arguments : '';
  // Servers express "no arguments" in several ways; their own chat templates accept only an object.
  const isNone = isFinished && (text.trim() === '' || text.trim() === 'null');
  return { ...called, name: called?.name ?? '', arguments: isNone ? '{}' : text };
}

/**
 * Creates an id that depends on nothing but the completion, so that it is the same whole and streamed. Nine letters and
 * digits, because Mistral's models accept no other ids.
 */
function newId(seed: string, taken: Set<string | undefined>): string {
  for (let attempt = 0; ; attempt++) {
    const text = `${attempt} ${seed}`;
    const id = `c${(fnv1a(text, 0x811c9dc5) * 0x10000 + (fnv1a(text, 0x1234567) & 0xffff)).toString(36).padStart(10, '0').slice(-8)}`;
    if (taken.has(id)) continue;
    taken.add(id);
    return id;
  }
}

/** @see http://www.isthe.com/chongo/tech/comp/fnv/ */
function fnv1a(text: string, basis: number): number {
  let hash = basis;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
