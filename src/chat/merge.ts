import { isRecord, scalarText } from '../internal/json.ts';
import type { Fields } from './normalize.ts';

/** How a field's values from successive chunks are combined. Objects are always merged field by field. */
export interface MergeRules {
  readonly strings: 'grow' | 'replace';
  readonly lists: 'grow' | 'replace';
}

/** Strings and arrays in a delta are fragments. */
export const DELTA: MergeRules = { strings: 'grow', lists: 'grow' };
/** Arrays in a choice, such as `token_ids` or the arrays in `logprobs`, arrive in fragments; strings do not. */
export const CHOICE: MergeRules = { strings: 'replace', lists: 'grow' };
/** The top-level fields of a chunk contain complete values. */
export const CHUNK: MergeRules = { strings: 'replace', lists: 'replace' };

/** Names of string fields that servers repeat in every delta. */
const IDENTIFIERS = new Set(['id', 'type', 'role', 'object', 'model', 'name', 'format', 'status']);

/** Merges all fields of `added` into `target`. Arrays and objects are copied, not shared. */
export function mergeFields(target: Fields, added: Fields, rules: MergeRules): Fields {
  for (const name in added) mergeField(target, name, added[name], rules);
  return target;
}

/** Merges one field. `null` and empty strings never replace a value. */
export function mergeField(target: Fields, name: string, value: unknown, rules: MergeRules): void {
  const before = Object.hasOwn(target, name) ? target[name] : undefined;
  if (value === undefined || (value === null && before === null)) return;
  if (name === '__proto__') {
    // An assignment to `__proto__` would set the prototype.
    Object.defineProperty(target, name, { value, configurable: true, enumerable: true, writable: true });
  } else if (before === undefined || before === null) {
    target[name] = copy(value, rules);
  } else if (value === null || value === '') {
    return;
  } else if (typeof value === 'string') {
    if (rules.strings === 'replace' || typeof before !== 'string') target[name] = value;
    else if (!IDENTIFIERS.has(name) && !name.endsWith('_id')) target[name] = before + value;
    else if (before === '') target[name] = value;
  } else if (Array.isArray(value)) {
    if (Array.isArray(before) && rules.lists === 'grow')
      for (const item of value) addItem(before, item, rules);
    else if (value.length > 0 || !Array.isArray(before)) target[name] = copy(value, rules);
  } else if (isRecord(value) && isRecord(before)) {
    mergeFields(before, value, rules);
  } else {
    target[name] = copy(value, rules);
  }
}

/** Adds an item to an array. Fragments of a reasoning block are merged; the last one contains the signature. */
function addItem(list: unknown[], item: unknown, rules: MergeRules): void {
  const last = list.at(-1);
  const isFragment =
    isReasoning(last) &&
    isReasoning(item) &&
    last.type === item.type &&
    last.index === item.index &&
    (last.id ?? item.id) === (item.id ?? last.id) &&
    !last.signature;
  if (isFragment) mergeFields(last, item, rules);
  else list.push(copyItem(item, rules));
}

function isReasoning(value: unknown): value is Fields {
  return isRecord(value) && /^(?:reasoning|thinking)/.test(scalarText(value.type));
}

function copy(value: unknown, rules: MergeRules): unknown {
  if (Array.isArray(value)) return value.map((item) => copyItem(item, rules));
  return isRecord(value) ? mergeFields({}, value, rules) : value;
}

/** Copies an item only if later fragments may be merged into it. */
function copyItem(item: unknown, rules: MergeRules): unknown {
  return isReasoning(item) ? mergeFields({}, item, rules) : item;
}
