import type { Secret } from '../../secret/secret.ts';
import type { KeyRecord } from '../account.ts';
import { check } from '../checks.ts';
import { concealed, isKey } from '../keys.ts';
import { matchesGlob } from '../model-access.ts';
import { rule as ruleSchema } from '../scenario.ts';
import type { ChatRequest, Reply, ReplyFunction } from './reply.ts';
import { offeredTools } from './request.ts';
import { textOf } from './tokens.ts';

/** A regular expression that can be written in JSON. */
export interface TextPattern {
  readonly pattern: string;
  /** Flags of the regular expression, such as `i`. */
  readonly flags?: string | undefined;
}

/** The conditions of a rule. A chat request must meet all conditions. */
export interface RuleCondition {
  /** Glob pattern that the model's name must match. */
  readonly model?: string | undefined;
  /** The id, name or full key of the API key that authenticates the request. */
  readonly key?: string | Secret | undefined;
  /** Substring of the last message (of any role), or a pattern that the message must match. */
  readonly lastMessage?: string | RegExp | TextPattern | undefined;
  /** Name of a tool that the request must offer. */
  readonly tool?: string | undefined;
  /** Substring of a tool result, or a pattern that the result must match. The result must be the last message. */
  readonly toolResult?: string | RegExp | TextPattern | undefined;
  /** Matches only the nth request that meets the other conditions. */
  readonly nth?: number | undefined;
}

/** A scripted reply to matching requests. If several rules match a request, the first one provides the reply. */
export interface EmulatorRule {
  /** The requests to which the rule applies. Default: all requests. */
  readonly when?: RuleCondition | undefined;
  /** The reply, a function that computes it, or an array of replies that are used in order. */
  readonly reply: Reply | ReplyFunction | readonly (Reply | ReplyFunction)[];
  /**
   * Maximum number of requests to which the rule replies. Default: the length of the `reply` array, or unlimited for a
   * single reply. If `times` exceeds the length of the array, the last reply is repeated.
   */
  readonly times?: number | undefined;
}

/** An active rule. If declared with `using`, the rule is removed at the end of the block. */
export interface ActiveRule extends Disposable {
  /** Number of requests to which the rule has replied. */
  readonly hits: number;
  readonly remove: () => void;
}

/** The active rules, in the order in which they are tried. */
export interface Rules extends Iterable<ActiveRule> {
  /** Adds a rule after the existing rules. @throws {TypeError} If a field is invalid. */
  readonly add: (rule: EmulatorRule) => ActiveRule;
  /** Removes all rules. */
  readonly clear: () => void;
}

/** An active rule. `matches` is the number of requests that met all conditions except `nth`. */
interface Entry extends ActiveRule {
  readonly when: RuleCondition;
  readonly replies: readonly (Reply | ReplyFunction)[];
  readonly times: number;
  matches: number;
  hits: number;
}

export class RuleBook {
  readonly #entries = new Set<Entry>();

  add(rule: EmulatorRule): ActiveRule {
    check('rules', ruleSchema, rule);
    const replies = Array.isArray(rule.reply) ? [...rule.reply] : [rule.reply as Reply];
    const remove = (): void => void this.#entries.delete(entry);
    const entry: Entry = {
      // Conceal the key, because a printed rule must not contain a full key.
      when: { ...rule.when, key: concealed(rule.when?.key) },
      replies,
      times: rule.times ?? (Array.isArray(rule.reply) ? replies.length : Number.POSITIVE_INFINITY),
      matches: 0,
      hits: 0,
      remove,
      [Symbol.dispose]: remove,
    };
    this.#entries.add(entry);
    return entry;
  }

  /** Returns the reply to a request and the position of its rule, starting at 1. Increments the rule's hit count. */
  match(request: ChatRequest, key: KeyRecord) {
    for (const [index, entry] of [...this.#entries].entries()) {
      if (!meets(entry.when, request, key)) continue;
      entry.matches++;
      if (entry.when.nth !== undefined && entry.matches !== entry.when.nth) continue;
      const reply = entry.hits < entry.times && entry.replies[Math.min(entry.hits, entry.replies.length - 1)];
      if (reply === false || reply === undefined) continue;
      entry.hits++;
      return { reply, position: index + 1 };
    }
    return undefined;
  }

  /** @param isSelected - Selects the keys whose rules are removed. Default: all rules. */
  clear(isSelected: (key: RuleCondition['key']) => boolean = () => true): void {
    for (const { when, remove } of this.#entries) if (isSelected(when.key)) remove();
  }

  [Symbol.iterator](): ArrayIterator<Entry> {
    return [...this.#entries].values();
  }
}

function meets(when: RuleCondition, request: ChatRequest, key: KeyRecord): boolean {
  const last = request.messages.at(-1);
  const text = textOf(last?.content);
  return (
    (when.model === undefined || matchesGlob(when.model, request.model)) &&
    (when.key === undefined || isKey(key, when.key)) &&
    (when.lastMessage === undefined || matchesText(when.lastMessage, text)) &&
    (when.tool === undefined || offeredTools(request).some(({ name }) => name === when.tool)) &&
    (when.toolResult === undefined || (last?.role === 'tool' && matchesText(when.toolResult, text)))
  );
}

function matchesText(expected: string | RegExp | TextPattern, text: string): boolean {
  if (typeof expected === 'string') return text.includes(expected);
  const { source, flags = '' } =
    expected instanceof RegExp ? expected : { ...expected, source: expected.pattern };
  // Remove the flags that make the result of `test` depend on earlier calls.
  return new RegExp(source, flags.replace(/[gy]/g, '')).test(text);
}
