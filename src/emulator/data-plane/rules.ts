import type { Secret } from '../../secret/secret.ts';
import { isSecret } from '../../secret/secret.ts';
import type { KeyRecord } from '../account/key-record.ts';
import { isKey } from '../account/keys.ts';
import { matchesGlob } from '../account/model-access.ts';
import { isObject } from '../http.ts';
import { type ChatRequest, isReply, type Reply, type ReplyFunction, textOf } from './reply.ts';
import { offeredTools } from './request.ts';

/** A regular expression in JSON. */
export interface TextPattern {
  readonly pattern: string;
  /** Such as `i`. */
  readonly flags?: string | undefined;
}

/** Which chat requests a rule matches: those that meet every given condition. */
export interface RuleCondition {
  /** Glob of the model. */
  readonly model?: string | undefined;
  /** The API key: its id, its name, or the full key. */
  readonly key?: string | Secret | undefined;
  /** Text that the last message, whatever its role, contains, or a pattern that it matches. */
  readonly lastMessage?: string | RegExp | TextPattern | undefined;
  /** Name of a tool that the request offers. */
  readonly tool?: string | undefined;
  /** Text that the result of the last tool call contains, or a pattern. Matches only if it is the last message. */
  readonly toolResult?: string | RegExp | TextPattern | undefined;
  /** Matches only the n-th request that meets the other conditions. */
  readonly nth?: number | undefined;
}

/** What the model replies to certain requests. The first rule that matches gives the reply. */
export interface EmulatorRule {
  /** Default: every request. */
  readonly when?: RuleCondition | undefined;
  /** The reply, a function that computes it, or replies that are given in turn. */
  readonly reply: Reply | ReplyFunction | readonly (Reply | ReplyFunction)[];
  /**
   * How many requests the rule replies to. Default: for an array its length, else unlimited. The last reply of an
   * array is repeated if `times` exceeds its length.
   */
  readonly times?: number | undefined;
}

/** A rule in effect. With `using`, it is removed at the end of the block. */
export interface ActiveRule extends Disposable {
  /** Number of requests that it has replied to. */
  readonly hits: number;
  readonly remove: () => void;
}

/** The rules in effect, in the order in which they are tried. */
export interface Rules extends Iterable<ActiveRule> {
  /**
   * Adds a rule after the others.
   *
   * @throws {TypeError} If a field is invalid.
   */
  readonly add: (rule: EmulatorRule) => ActiveRule;
  /** Removes every rule. */
  readonly clear: () => void;
}

interface Entry {
  readonly when: RuleCondition;
  readonly replies: readonly (Reply | ReplyFunction)[];
  readonly times: number;
  /** Number of requests that met the conditions other than `nth`. */
  matches: number;
  hits: number;
}

/** The reply of a rule. */
interface Match {
  readonly reply: Reply | ReplyFunction;
  /** Position of the rule, from 1. */
  readonly position: number;
}

export class RuleBook {
  #entries: Entry[] = [];

  add(rule: EmulatorRule): ActiveRule {
    checkRule(rule);
    const { when = {}, reply, times } = rule;
    const isSequence = Array.isArray(reply);
    const replies: readonly (Reply | ReplyFunction)[] = isSequence ? [...reply] : [reply as Reply];
    const entry: Entry = {
      when: { ...when },
      replies,
      times: times ?? (isSequence ? replies.length : Number.POSITIVE_INFINITY),
      matches: 0,
      hits: 0,
    };
    this.#entries.push(entry);
    return this.#active(entry);
  }

  /** The reply to a request, which counts as a use of its rule. */
  match(request: ChatRequest, key: KeyRecord): Match | undefined {
    for (const [index, entry] of this.#entries.entries()) {
      if (!meets(entry.when, request, key)) continue;
      entry.matches++;
      if (entry.when.nth !== undefined && entry.matches !== entry.when.nth) continue;
      if (entry.hits >= entry.times) continue;
      const reply = entry.replies[Math.min(entry.hits, entry.replies.length - 1)];
      entry.hits++;
      if (reply !== undefined) return { reply, position: index + 1 };
    }
    return undefined;
  }

  /** @param isSelected - Limits the removal to the rules of certain keys. */
  clear(isSelected: (key: RuleCondition['key']) => boolean = () => true): void {
    this.#entries = this.#entries.filter(({ when }) => !isSelected(when.key));
  }

  *[Symbol.iterator](): Generator<ActiveRule & { readonly when: RuleCondition }, void, undefined> {
    for (const entry of [...this.#entries])
      yield Object.assign(this.#active(entry), { when: { ...entry.when } });
  }

  #active(entry: Entry): ActiveRule {
    const remove = (): void => {
      this.#entries = this.#entries.filter((each) => each !== entry);
    };
    return {
      get hits() {
        return entry.hits;
      },
      remove,
      [Symbol.dispose]: remove,
    };
  }
}

function meets(when: RuleCondition, request: ChatRequest, key: KeyRecord): boolean {
  const last = request.messages.at(-1);
  const text = textOf(last?.content);
  const isResult = last?.role === 'tool' || last?.role === 'function';
  return (
    (when.model === undefined || matchesGlob(when.model, request.model)) &&
    (when.key === undefined || isKey(key, when.key)) &&
    (when.lastMessage === undefined || matchesText(when.lastMessage, text)) &&
    (when.tool === undefined || offeredTools(request).some(({ name }) => name === when.tool)) &&
    (when.toolResult === undefined || (isResult && matchesText(when.toolResult, text)))
  );
}

function matchesText(expected: string | RegExp | TextPattern, text: string): boolean {
  if (typeof expected === 'string') return text.includes(expected);
  return toRegExp(expected).test(text);
}

/** Without the flags that make `test` depend on earlier calls. */
function toRegExp(pattern: RegExp | TextPattern): RegExp {
  if (pattern instanceof RegExp) return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
  return new RegExp(pattern.pattern, pattern.flags?.replace(/[gy]/g, ''));
}

type Check = readonly [accepts: (value: unknown) => boolean, expected: string];

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';
const nonEmpty: Check = [isText, 'a non-empty string'];
const positive: Check = [(value) => Number.isInteger(value) && Number(value) > 0, 'a positive integer'];
const pattern: Check = [isPattern, 'a string, a RegExp, or an object with a valid `pattern`'];

const CONDITIONS: Readonly<Record<keyof RuleCondition, Check>> = {
  model: nonEmpty,
  key: [(value) => isSecret(value) || isText(value), 'the id, the name or the value of a key'],
  lastMessage: pattern,
  tool: nonEmpty,
  toolResult: pattern,
  nth: positive,
};

const FIELDS: Readonly<Record<keyof EmulatorRule, Check>> = {
  when: [isObject, 'an object'],
  reply: [
    (value) =>
      Array.isArray(value) ? value.length > 0 && value.every(isReplyOrFunction) : isReplyOrFunction(value),
    'a string, a reply, a completion, an async iterable, a function, or a non-empty array of these',
  ],
  times: positive,
};

/** @throws {TypeError} That names the invalid field. */
function checkRule(rule: unknown): void {
  if (!isObject(rule)) throw new TypeError('rules: a rule must be an object.');
  checkFields(rule, FIELDS, 'rules: ');
  if (rule.reply === undefined) throw new TypeError('rules: `reply` is missing.');
  if (isObject(rule.when)) checkFields(rule.when, CONDITIONS, 'rules: when.');
}

function checkFields(value: object, checks: Readonly<Record<string, Check>>, prefix: string): void {
  for (const [field, given] of Object.entries(value)) {
    const check = Object.hasOwn(checks, field) ? checks[field] : undefined;
    if (check === undefined)
      throw new TypeError(
        `${prefix}\`${field}\` is unknown. Known fields: ${Object.keys(checks).join(', ')}.`,
      );
    if (given !== undefined && !check[0](given))
      throw new TypeError(`${prefix}\`${field}\` must be ${check[1]}.`);
  }
}

function isReplyOrFunction(value: unknown): boolean {
  return typeof value === 'function' || isReply(value);
}

function isPattern(value: unknown): boolean {
  if (typeof value === 'string' || value instanceof RegExp) return true;
  if (!isObject(value) || typeof value.pattern !== 'string') return false;
  const { pattern: source, flags, ...others } = value;
  try {
    return (
      Object.keys(others).length === 0 && toRegExp({ pattern: source, flags: flags as string }) !== undefined
    );
  } catch {
    return false;
  }
}
