import { isRecord, parseJson } from '../internal/json.ts';
import type { ToolCall } from './completion.ts';
import { DELTA, mergeField, mergeFields } from './merge.ts';
import type { Fields } from './normalize.ts';

interface PendingCall {
  /** The server's index, if it sends one. */
  readonly index: number | undefined;
  id: string | undefined;
  /** All fields but `id` and `index`. */
  readonly fields: Fields;
}

/**
 * The tool calls of one choice, assembled from deltas.
 *
 * Servers identify the call of a delta in different ways: by `index`, by `id`, by both, by an `id` that changes in
 * every delta, or not at all. Some give all calls the index 0, and some send a full call and the next one in the same
 * delta.
 */
export class ToolCallList {
  /** `undefined` until a list arrives, even an empty one. */
  #calls: PendingCall[] | undefined;
  #isWhole = false;

  get length(): number {
    return this.#calls?.length ?? 0;
  }

  /** @param isWhole - Whether these are the calls of a full message instead of a delta. */
  add(deltas: readonly Fields[], isWhole: boolean): void {
    this.#calls ??= [];
    this.#isWhole = isWhole;
    const touched = new Set<PendingCall>();
    deltas.forEach((delta, position) => {
      const found = isWhole ? undefined : this.#find(delta, deltas.length - position, touched);
      const call = found ?? { index: indexOf(delta), id: undefined, fields: {} };
      if (found === undefined) this.#calls?.push(call);
      touched.add(call);
      mergeCall(call, delta);
    });
  }

  /**
   * Returns the calls so far; `undefined` if there was no list of calls. Calls without an id get one.
   *
   * @param seed - Input of the generated ids, so that they differ between completions.
   * @param isFinished - Whether the calls are complete. Missing arguments then mean no arguments.
   */
  build(seed: string, isFinished: boolean): ToolCall[] | undefined {
    const calls = this.#calls?.every(({ index }) => index !== undefined)
      ? this.#calls.toSorted((a, b) => Number(a.index) - Number(b.index))
      : this.#calls;
    return calls?.map(({ id, index, fields }, position) => {
      const { function: called, ...rest } = fields;
      const isCustom = called === undefined && isRecord(rest.custom);
      return {
        // The index of a delta is used only for assembly.
        ...(this.#isWhole && index !== undefined && { index }),
        ...rest,
        id: id ?? newId(`${seed} ${JSON.stringify(called)}`, position),
        type: rest.type ?? (isCustom ? 'custom' : 'function'),
        ...(!isCustom && { function: toFunction(called as Fields | undefined, isFinished) }),
      } as unknown as ToolCall;
    });
  }

  /** @param remaining - Number of deltas from this one to the last of its chunk. */
  #find(delta: Fields, remaining: number, touched: ReadonlySet<PendingCall>): PendingCall | undefined {
    const [index, id, name] = [indexOf(delta), idOf(delta), nameOf(delta)];
    const sameId = id === undefined ? undefined : this.#calls?.findLast((call) => call.id === id);
    if (index !== undefined) {
      const call = this.#calls?.findLast((candidate) => candidate.index === index);
      if (call === undefined || call === sameId || name === '') return call;
      const isAnother = id !== undefined && call.id !== undefined;
      return isAnother || touched.has(call) || startsAnother(call, delta) ? undefined : call;
    }
    // Several deltas without a name continue the last calls in order.
    const last = this.#calls?.at(name === '' ? -remaining : -1);
    if (sameId !== undefined || last === undefined || touched.has(last)) return sameId;
    if (name === '') return last;
    const isSameName = nameOf(last.fields) === name && (id === undefined || last.id === undefined);
    return isSameName && !startsAnother(last, delta) ? last : undefined;
  }
}

function mergeCall(call: PendingCall, delta: Fields): void {
  const called = calledIn(call.fields);
  // Some servers start with `{}`, or repeat the full call at the end.
  if (called.arguments !== undefined && startsAgain(call, delta)) called.arguments = '';
  call.id ??= idOf(delta);
  for (const [name, value] of Object.entries(delta)) {
    if (name === 'id' || name === 'index') continue;
    if ((name === 'function' || name === 'custom') && isRecord(value)) mergeCalled(call.fields, name, value);
    else mergeField(call.fields, name, value, DELTA);
  }
}

/** Merges the `function`, `custom` or older `function_call` field of a call. The name may arrive in fragments. */
export function mergeCalled(target: Fields, field: string, delta: Fields): void {
  const { name, ...rest } = delta;
  const called = isRecord(target[field]) ? (target[field] as Fields) : {};
  target[field] = mergeFields(called, rest, DELTA);
  if (typeof name !== 'string') return;
  const before = typeof called.name === 'string' ? called.name : '';
  // Some servers repeat the name in every delta.
  called.name = before === name ? before : before + name;
}

/**
 * Whether a delta with a name starts another call although its index, or a missing index, suggests otherwise. If the
 * arguments of the current call have begun, its name is complete.
 */
function startsAnother(call: PendingCall, delta: Fields): boolean {
  if (argumentsOf(call.fields) === '') return false;
  return nameOf(call.fields) !== nameOf(delta) || startsAgain(call, delta);
}

/** Whether the arguments of a call are complete and the delta starts another argument object. */
function startsAgain({ fields }: PendingCall, delta: Fields): boolean {
  return argumentsOf(delta).trimStart().startsWith('{') && isRecord(parseJson(argumentsOf(fields)));
}

function calledIn({ function: called, custom }: Fields): Fields {
  return [called, custom].find(isRecord) ?? {};
}

function nameOf(call: Fields): string {
  return String(calledIn(call).name ?? '');
}

function argumentsOf(call: Fields): string {
  const { arguments: text, input } = calledIn(call);
  return String(text ?? input ?? '');
}

function idOf({ id }: Fields): string | undefined {
  if (typeof id === 'number') return String(id);
  // Mistral has sent "null".
  return typeof id === 'string' && id !== '' && id !== 'null' ? id : undefined;
}

function indexOf({ index }: Fields): number | undefined {
  const number = typeof index === 'string' && index.trim() !== '' ? Number(index) : index;
  return Number.isInteger(number) ? (number as number) : undefined;
}

function toFunction(called: Fields = {}, isFinished: boolean): Fields {
  const text = typeof called.arguments === 'string' ? called.arguments : '';
  // Servers represent missing arguments in several ways, but their chat templates accept only an object.
  const isNone = isFinished && /^\s*(?:null\s*)?$/.test(text);
  return { ...called, name: called.name ?? '', arguments: isNone ? '{}' : text };
}

/**
 * Creates an id that depends only on the completion, so that whole and streamed replies have the same ids. It has nine
 * letters and digits, the only form that Mistral's models accept. The position makes it unique.
 */
function newId(seed: string, position: number): string {
  let hash = 0;
  for (const character of seed) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) >>> 0;
  const suffix = position.toString(36).padStart(2, '0');
  return `c${hash.toString(36).padStart(8, '0').slice(-6)}${suffix}`;
}
