import { isRecord, parseJson, scalarText } from '../internal/json.ts';
import type { ToolCall } from './completion.ts';
import { mergeField, mergeFields } from './merge.ts';
import type { Fields } from './normalize.ts';

interface PendingCall {
  /** The index that the server sent, if any. */
  readonly index: number | undefined;
  /** The index that readers see: the server's index, unless another call already uses it. */
  readonly position: number;
  id: string | undefined;
  /** All fields except `id` and `index`. */
  readonly fields: Fields;
  /** Whether each delta repeats the arguments sent so far. */
  isCumulative?: boolean;
}

/**
 * The tool calls of one choice, assembled from deltas.
 *
 * Servers differ in how they identify the call that a delta belongs to: by `index`, by `id`, by both, by an `id` that
 * changes in every delta, or not at all. Some servers give all calls the same index or id, and some send a full call
 * together with the next call.
 */
export class ToolCallList {
  /** `undefined` until the first array of calls arrives; the array may be empty. */
  #calls: PendingCall[] | undefined;
  #isWhole = false;

  get length(): number {
    return this.#calls?.length ?? 0;
  }

  /** Adds the deltas of a chunk or the calls of a message, and sets the `index` that readers see. */
  add(deltas: readonly Fields[], isWhole: boolean): void {
    this.#calls ??= [];
    this.#isWhole = isWhole;
    const touched = new Set<PendingCall>();
    deltas.forEach((delta, position) => {
      const found = isWhole ? undefined : this.#find(deltas.slice(position), touched);
      const call = found ?? this.#begin(indexOf(delta));
      touched.add(call);
      mergeCall(call, delta);
      delta.index = call.position;
    });
  }

  /**
   * Returns the calls received so far, or `undefined` if no array has arrived. Replaces missing and duplicate ids.
   *
   * @param seed - Makes generated ids differ between completions.
   * @param isFinished - Whether the calls are complete. If so, missing arguments become an empty object.
   */
  build(seed: string, isFinished: boolean): ToolCall[] | undefined {
    const ids = new Set<string>();
    const calls = this.#calls?.toSorted((a, b) => a.position - b.position);
    return calls?.map(({ id, index, fields }, position) => {
      const { function: called, ...rest } = fields;
      const isCustom = !isRecord(called) && isRecord(rest.custom);
      const written = isCustom ? undefined : toFunction(called, isFinished);
      const isUnique = id !== undefined && !ids.has(id);
      if (isUnique) ids.add(id);
      return {
        // An index in a delta is used only to assemble the calls.
        ...(this.#isWhole && index !== undefined && { index }),
        ...rest,
        id: isUnique ? id : newId(`${seed} ${JSON.stringify(written)}`, position),
        type: rest.type || (isCustom ? 'custom' : 'function'),
        ...(written && { function: written }),
      } as unknown as ToolCall;
    });
  }

  /** Finds the call that `deltas[0]` belongs to. The other deltas follow it in the same chunk. */
  #find(deltas: readonly Fields[], touched: ReadonlySet<PendingCall>): PendingCall | undefined {
    const [delta = {}] = deltas;
    const [index, id, name] = [indexOf(delta), idOf(delta), nameOf(delta)];
    const calls = this.#calls ?? [];
    const withId = calls.filter((call) => id !== undefined && call.id === id);
    const sameId = withId.findLast((call) => call.index === index) ?? withId.at(-1);
    const sameIndex = calls.findLast((call) => index !== undefined && call.index === index);
    // Deltas without a name continue the most recent calls, in order.
    const named = deltas.findIndex((one) => nameOf(one) !== '');
    const last = calls.at(-Math.min(named < 0 ? deltas.length : named || 1, calls.length));
    if (name === '')
      return sameId ?? sameIndex ?? (index === undefined || id === undefined ? last : undefined);
    // Some servers give several calls the same id.
    const isRepeated =
      sameId && (!isElsewhere(sameId, delta) || (nameOf(sameId.fields) === name && !touched.has(sameId)));
    const call = (isRepeated ? sameId : undefined) ?? sameIndex ?? (index === undefined ? last : undefined);
    if (call === undefined || startsAnother(call, delta)) return undefined;
    if (call === sameId) return call;
    if ((id !== undefined && call.id !== undefined) || touched.has(call)) return undefined;
    return index !== undefined || ['', name].includes(nameOf(call.fields)) ? call : undefined;
  }

  #begin(index: number | undefined): PendingCall {
    const positions = this.#calls?.map(({ position }) => position) ?? [];
    const isFree = index !== undefined && !positions.includes(index);
    const position = isFree ? index : Math.max(-1, ...positions) + 1;
    const call = { index, position, id: undefined, fields: {} };
    this.#calls?.push(call);
    return call;
  }
}

function mergeCall(call: PendingCall, delta: Fields): void {
  const { id: _id, index: _index, ...fields } = delta;
  call.id ??= idOf(delta);
  const { function: called } = call.fields;
  const before = argumentsOf(call.fields);
  if (isRecord(called) && argumentsOf(delta).startsWith(before)) {
    // If the arguments end with `:`, `,` or `[`, the delta may start a nested object instead of repeating them.
    call.isCumulative ||= /^\{(?:.*[^:,[])?$/s.test(before.trim());
    if (call.isCumulative) called.arguments = '';
  }
  for (const [name, value] of Object.entries(fields)) {
    if ((name === 'function' || name === 'custom') && isRecord(value)) mergeCalled(call.fields, name, value);
    else mergeField(call.fields, name, value, 'delta');
  }
}

/** Merges the `function`, `custom` or legacy `function_call` field of a call. The name may arrive in fragments. */
export function mergeCalled(target: Fields, field: string, delta: Fields): void {
  const { name, ...rest } = delta;
  const called = isRecord(target[field]) ? (target[field] as Fields) : {};
  target[field] = mergeFields(called, rest, 'delta');
  if (typeof name !== 'string') return;
  const before = typeof called.name === 'string' ? called.name : '';
  // Some servers repeat the name in every delta.
  called.name = before === name ? before : before + name;
}

/**
 * Returns whether a delta with a name starts another call, even if its id and index suggest otherwise. Once a call
 * has arguments, its name is complete. A delta that repeats the current call does not start another call.
 */
function startsAnother(call: PendingCall, delta: Fields): boolean {
  const [before, added] = [argumentsOf(call.fields), argumentsOf(delta)];
  if (before === '' || added === before) return false;
  if (nameOf(call.fields) !== nameOf(delta)) return nameOf(call.fields) !== '';
  if (!isElsewhere(call, delta) && !added.trimStart().startsWith('{')) return false;
  // Some servers send `{}` as a placeholder before the actual arguments.
  return isRecord(parseJson(before)) && !isEmpty(before);
}

function isElsewhere({ index }: PendingCall, delta: Fields): boolean {
  return index !== undefined && (indexOf(delta) ?? index) !== index;
}

function calledIn({ function: called, custom }: Fields): Fields {
  return [called, custom].find(isRecord) ?? {};
}

function nameOf(call: Fields): string {
  return scalarText(calledIn(call).name ?? '');
}

function argumentsOf(call: Fields): string {
  const { arguments: text, input } = calledIn(call);
  return scalarText(text ?? input ?? '');
}

function idOf({ id }: Fields): string | undefined {
  if (typeof id === 'number') return String(id);
  // Mistral has sent the string "null" as an id.
  return typeof id === 'string' && id !== '' && id !== 'null' ? id : undefined;
}

function indexOf({ index }: Fields): number | undefined {
  const number = typeof index === 'string' && index.trim() !== '' ? Number(index) : index;
  return Number.isInteger(number) ? (number as number) : undefined;
}

function toFunction(value: unknown, isFinished: boolean): Fields {
  const called = isRecord(value) ? value : {};
  const text = typeof called.arguments === 'string' ? called.arguments : '';
  return { ...called, name: called.name ?? '', arguments: isFinished ? completeArguments(text) : text };
}

/** Maximum number of positions to check for repeated arguments. */
const MAX_POSITIONS = 20;

/**
 * Repairs the arguments of a complete call, because chat templates accept only an object. Servers may represent missing
 * arguments in several ways, add an empty object before or after the arguments, or repeat the arguments, possibly as a
 * JSON string. Returns other text unchanged.
 */
function completeArguments(text: string): string {
  if (/^\s*(?:null|\[\s*\])?\s*$/.test(text)) return '{}';
  const value = parseJson(text);
  if (typeof value === 'string') return isRecord(parseJson(value)) ? value : text;
  if (value !== undefined) return text;
  const positions = [...text.matchAll(/(?<=\}\s*)["{]/g)].slice(0, MAX_POSITIONS);
  for (const { index } of positions) {
    const [head, tail] = [text.slice(0, index), text.slice(index)];
    const rest = parseJson(tail);
    const isRepeated = tail.replaceAll(head, '').trim() === '' || typeof rest === 'string';
    if ((isRepeated || isEmpty(tail)) && isRecord(parseJson(head))) return head;
    if (isEmpty(head) && isRecord(rest)) return tail;
  }
  return text;
}

function isEmpty(args: string): boolean {
  return /^\s*\{\s*\}\s*$/.test(args);
}

/**
 * Creates an id that depends only on the completion, so that streamed and non-streamed replies have the same ids.
 * Mistral models accept only nine-character alphanumeric ids. The position makes the id unique.
 */
function newId(seed: string, position: number): string {
  let hash = 0;
  for (const character of seed) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) >>> 0;
  const suffix = position.toString(36).padStart(2, '0');
  return `c${hash.toString(36).padStart(8, '0').slice(-6)}${suffix}`;
}
