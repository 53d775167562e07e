import * as z from 'zod/mini';
import { isWorkspace } from './account/key-registry.ts';
import { credential, fields, nonEmpty, positiveInteger } from './checks.ts';
import { scheduledFault } from './faults/table.ts';
import { isIterable } from './http.ts';

/*
 * The schema of scenarios. `createEmulator`, `--script` and `/_emulator/scenario` accept the same fields, and each
 * method of an emulator accepts one part of it. docs/emulator.md documents it.
 */

const isFunction = z.custom((value) => typeof value === 'function', 'must be a function');
const text = z.optional(z.string());
const anyRecord = z.record(z.string(), z.unknown());

const time = z.union(
  [z.date(), z.string().check(z.refine((value) => !Number.isNaN(Date.parse(value))))],
  'must be a date',
);
const globs = z.optional(z.array(nonEmpty));
const changes = {
  expiresAt: z.nullish(time),
  disabled: z.optional(z.boolean()),
  allowModels: globs,
  denyModels: globs,
  quota: z.optional(
    z.union(
      [z.literal('unlimited'), z.int().check(z.minimum(0))],
      'must be an integer from 0, or `unlimited`',
    ),
  ),
};

export const keyChanges = fields(changes);

export const newKey = fields({
  name: nonEmpty,
  key: z.optional(credential),
  workspace: z.optional(z.int().check(z.refine(isWorkspace))),
  user: z.optional(nonEmpty),
  ...changes,
});

const model = fields({
  id: nonEmpty,
  contextLength: z.optional(positiveInteger),
  reasoningField: z.optional(z.enum(['reasoning', 'reasoning_content'])),
  ownedBy: text,
});

/** A chunk of a reply. Strict, because a misspelled field would be a reply that says nothing. */
export const delta = z.union(
  [
    z.string(),
    fields({
      reasoning: text,
      content: text,
      toolCalls: z.optional(
        z.array(
          fields({ index: z.optional(z.int().check(z.minimum(0))), id: text, name: text, arguments: text }),
        ),
      ),
      finishReason: text,
    }),
  ],
  'must be a string or a delta',
);

/** A chunk as it is on the wire. */
const wireChunk = z.looseObject({ choices: z.array(z.looseObject({})) });

const replyFields = fields({
  reasoning: text,
  content: text,
  refusal: text,
  toolCalls: z.optional(
    z.array(fields({ name: nonEmpty, arguments: z.optional(z.union([z.string(), anyRecord])), id: text })),
  ),
  chunks: z.optional(z.union([z.array(delta), z.array(wireChunk)], 'must be an array of chunks')),
  finishReason: text,
  usage: z.optional(anyRecord),
}).check(
  z.refine(
    ({ chunks, reasoning, content, refusal, toolCalls }) =>
      [chunks, reasoning ?? content ?? refusal ?? toolCalls].filter((part) => part !== undefined).length ===
      1,
    'must have either `chunks` or one of `reasoning`, `content`, `refusal` and `toolCalls`',
  ),
);

const completion = z.looseObject({ choices: z.array(z.looseObject({ message: z.looseObject({}) })) });

export const reply = z.union(
  [z.string(), z.custom(isIterable), completion, replyFields],
  'must be a string, an async iterable, a reply or a completion',
);
const replySource = z.union([isFunction, reply], 'must be a reply or a function');

const pattern = z.union(
  [
    z.string(),
    z.instanceof(RegExp),
    fields({ pattern: z.string(), flags: text }).check(z.refine(isRegExp, 'must be a regular expression')),
  ],
  'must be a string, a RegExp or a pattern',
);

export const rule = fields({
  when: z.optional(
    fields({
      model: z.optional(nonEmpty),
      key: z.optional(credential),
      lastMessage: z.optional(pattern),
      tool: z.optional(nonEmpty),
      toolResult: z.optional(pattern),
      nth: z.optional(positiveInteger),
    }),
  ),
  reply: z.union(
    [replySource, z.array(replySource).check(z.minLength(1))],
    'must be a reply, a function or replies',
  ),
  times: z.optional(positiveInteger),
});

/** The parts of a scenario that can be added to a running emulator. */
const additions = {
  keys: z.optional(z.array(newKey)),
  rules: z.optional(z.array(rule)),
  faults: z.optional(z.array(scheduledFault)),
};

export const addition = fields(additions);

const serverUrl = z.custom(
  (value) => isServerUrl(String(value)),
  'must be a URL without user, query and fragment',
);

export const options = fields({
  ...additions,
  maxKeys: z.optional(z.custom(isKeyLimit, 'must be a non-negative integer, Infinity or `unlimited`')),
  version: z.optional(z.enum(['0.15', '0.16', '0.17'])),
  models: z.optional(z.array(z.union([nonEmpty, model], 'must be a name or a model'))),
  reply: z.optional(replySource),
  strict: z.optional(z.boolean()),
  upstream: z.optional(
    z.union([
      serverUrl,
      fields({ url: serverUrl, apiKey: z.optional(credential), fetch: z.optional(isFunction) }),
    ]),
  ),
  behind: z.optional(z.enum(['gateway', 'none'])),
  accessToken: z.optional(credential),
  now: z.optional(isFunction),
  sleep: z.optional(isFunction),
  random: z.optional(isFunction),
  onRequest: z.optional(isFunction),
}).check(
  z.refine(
    ({ reply: given, upstream }) => given === undefined || upstream === undefined,
    'must not have both `reply` and `upstream`',
  ),
);

function isRegExp({
  pattern: source,
  flags,
}: {
  readonly pattern: string;
  readonly flags?: string | undefined;
}): boolean {
  try {
    return new RegExp(source, flags) !== undefined;
  } catch {
    return false;
  }
}

function isKeyLimit(value: unknown): boolean {
  const isCount = Number.isSafeInteger(value) && Number(value) >= 0;
  return value === 'unlimited' || value === Number.POSITIVE_INFINITY || isCount;
}

function isServerUrl(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, username, password, search, hash } = new URL(url);
  return /^https?:$/.test(protocol) && username + password + search + hash === '';
}
