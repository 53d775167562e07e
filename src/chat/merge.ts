import { isRecord, scalarText } from '../internal/json.ts';
import type { Fields } from './normalize.ts';

/**
 * Where a value occurs, which determines how it is merged with the previous value of its field. In a delta, strings
 * and arrays are fragments; in a choice, only arrays are (`token_ids`, the arrays in `logprobs`); the top-level fields
 * of a chunk are complete. Objects are always merged field by field.
 */
export type Place = 'chunk' | 'choice' | 'delta';

/** Names of string fields that servers repeat in every delta. */
const IDENTIFIERS = new Set(['id', 'type', 'role', 'object', 'model', 'name', 'format', 'status']);

/** Merges all fields of `added` into `target`. Arrays and objects are copied, not shared. */
export function mergeFields(target: Fields, added: Fields, place: Place): Fields {
  for (const name in added) mergeField(target, name, added[name], place);
  return target;
}

/** Merges one field. `null` and empty strings never replace a value. */
export function mergeField(target: Fields, name: string, value: unknown, place: Place): void {
  const before = Object.hasOwn(target, name) ? target[name] : undefined;
  if (value === undefined || (value === null && before === null)) return;
  if (name === '__proto__') {
    // An assignment to `__proto__` would set the prototype.
    Object.defineProperty(target, name, { value, configurable: true, enumerable: true, writable: true });
  } else if (before === undefined || before === null) {
    target[name] = copy(value, place);
  } else if (value === null || value === '') {
    return;
  } else if (typeof value === 'string') {
    if (place !== 'delta' || typeof before !== 'string') target[name] = value;
    else if (!IDENTIFIERS.has(name) && !name.endsWith('_id')) target[name] = before + value;
    else if (before === '') target[name] = value;
  } else if (Array.isArray(value)) {
    if (Array.isArray(before) && place !== 'chunk') for (const item of value) addItem(before, item, place);
    else if (value.length > 0 || !Array.isArray(before)) target[name] = copy(value, place);
  } else if (isRecord(value) && isRecord(before)) {
    mergeFields(before, value, place);
  } else {
    target[name] = copy(value, place);
  }
}

/** Adds an item to an array. Fragments of a reasoning block are merged; the last one contains the signature. */
function addItem(list: unknown[], item: unknown, place: Place): void {
  const last = list.at(-1);
  const isFragment =
    isReasoning(last) &&
    isReasoning(item) &&
    last.type === item.type &&
    last.index === item.index &&
    (last.id ?? item.id) === (item.id ?? last.id) &&
    !last.signature;
  if (isFragment) mergeFields(last, item, place);
  else list.push(copy(item, place));
}

function isReasoning(value: unknown): value is Fields {
  return isRecord(value) && /^(?:reasoning|thinking)/.test(scalarText(value.type));
}

function copy(value: unknown, place: Place): unknown {
  if (Array.isArray(value)) return value.map((item) => copy(item, place));
  return isRecord(value) ? mergeFields({}, value, place) : value;
}
