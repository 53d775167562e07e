import * as z from 'zod';
import { isWorkspace } from './account.ts';
import { credential, fields, keyReference, nonEmpty } from './checks.ts';
import { scheduledFault } from './faults/table.ts';
import { isIterable } from './http.ts';

/*
 * The schema of a scenario, which docs/emulator.md documents. `createEmulator` and `--script` accept all of its fields;
 * `/_emulator/scenario` and the methods of an emulator accept some of them.
 */

const isFunction = z.custom((value) => typeof value === 'function', 'must be a function');
const text = z.string().optional();
const globs = z.array(nonEmpty).optional();
const positive = z.int().min(1).optional();
const anyRecord = z.record(z.string(), z.unknown());

const isTime = (value: string): boolean => !Number.isNaN(Date.parse(value));
const isQuota = (value: unknown): boolean =>
  value === 'unlimited' || (Number.isSafeInteger(value) && Number(value) >= 0);
const changes = {
  expiresAt: z.union([z.date(), z.string().refine(isTime)], 'must be a date').nullish(),
  disabled: z.boolean().optional(),
  allowModels: globs,
  denyModels: globs,
  quota: z.custom(isQuota, 'must be a non-negative integer or `unlimited`').optional(),
};

export const keyChanges = fields(changes);

export const newKey = fields({
  name: nonEmpty,
  key: credential.optional(),
  workspace: z.int().refine(isWorkspace, 'must be a workspace number: a positive integer').optional(),
  user: nonEmpty.optional(),
  ...changes,
});

const model = fields({
  id: nonEmpty,
  contextLength: positive,
  reasoningField: z.enum(['reasoning', 'reasoning_content']).optional(),
});

/** A chunk of a reply. Unknown fields are rejected, because a misspelled field would result in an empty reply. */
const callDelta = fields({ index: z.int().min(0).optional(), id: text, name: text, arguments: text });
export const delta = z.union(
  [
    z.string(),
    fields({ reasoning: text, content: text, toolCalls: z.array(callDelta).optional(), finishReason: text }),
  ],
  'must be a string or a delta',
);

/** A chunk in wire format. */
const wireChunk = z.looseObject({ choices: z.array(z.looseObject({})) });

const toolCall = fields({
  name: nonEmpty,
  arguments: z.union([z.string(), anyRecord], 'must be an object or a string').optional(),
  id: text,
});

const replyFields = fields({
  reasoning: text,
  content: text,
  refusal: text,
  toolCalls: z.array(toolCall).optional(),
  chunks: z.union([z.array(delta), z.array(wireChunk)], 'must be an array of chunks').optional(),
  finishReason: text,
  usage: anyRecord.optional(),
}).refine(
  ({ chunks, reasoning, content, refusal, toolCalls }) =>
    (chunks === undefined) !== ((reasoning ?? content ?? refusal ?? toolCalls) === undefined),
  'must have either `chunks` or at least one of `reasoning`, `content`, `refusal` and `toolCalls`',
);

const completion = z.looseObject({ choices: z.array(z.looseObject({ message: z.looseObject({}) })) });

export const reply = z.union(
  [z.string(), z.custom(isIterable), replyFields, completion],
  'must be a string, an async iterable, a reply or a completion',
);
const replySource = z
  .union([isFunction, reply], 'must be a reply or a function')
  .refine(isReusable, 'can be read only once. Pass a function that creates a new one for each request');

const pattern = z.union(
  [
    z.string(),
    z.instanceof(RegExp),
    fields({ pattern: z.string(), flags: text }).refine(isRegExp, 'must be a valid regular expression'),
  ],
  'must be a string, a RegExp or a pattern',
);

const condition = fields({
  model: nonEmpty.optional(),
  key: keyReference.optional(),
  lastMessage: pattern.optional(),
  tool: nonEmpty.optional(),
  toolResult: pattern.optional(),
  nth: positive,
});

export const rule = fields({
  when: condition.optional(),
  reply: z.union(
    [replySource, z.array(replySource).min(1)],
    'must be a reply, a function, or an array of replies and functions',
  ),
  times: positive,
});

/** The parts of a scenario that can be added to a running emulator. */
const additions = {
  keys: z.array(newKey).optional(),
  rules: z.array(rule).optional(),
  faults: z.array(scheduledFault).optional(),
};

export const addition = fields(additions);

const SERVER_URL = 'must be an http or https URL without credentials, a query or a fragment';
export const serverUrl = z.custom((value) => isServerUrl(String(value)), SERVER_URL);
const server = fields({ url: serverUrl, apiKey: credential.optional(), fetch: isFunction.optional() });

export const options = fields({
  ...additions,
  maxKeys: z
    .custom(
      (value) => isQuota(value) || value === Number.POSITIVE_INFINITY,
      'must be a non-negative integer, Infinity or `unlimited`',
    )
    .optional(),
  version: z.enum(['0.15', '0.16', '0.17']).optional(),
  models: z.array(z.union([nonEmpty, model], 'must be a model name or a model object')).optional(),
  reply: replySource.optional(),
  strict: z.boolean().optional(),
  upstream: z.union([serverUrl, server], SERVER_URL).optional(),
  behind: z.enum(['gateway', 'none']).optional(),
  accessToken: credential.optional(),
  now: isFunction.optional(),
  sleep: isFunction.optional(),
  random: isFunction.optional(),
  onRequest: isFunction.optional(),
}).refine(
  ({ reply: given, upstream }) => given === undefined || upstream === undefined,
  '`reply` and `upstream` cannot be combined',
);

/** Returns whether a reply can be used more than once. Generators and streams cannot. */
function isReusable(value: unknown): boolean {
  return !isIterable(value) || !('next' in value || 'getReader' in value);
}

function isRegExp({ pattern: source, flags }: { pattern: string; flags?: string | undefined }): boolean {
  try {
    return new RegExp(source, flags) !== undefined;
  } catch {
    return false;
  }
}

function isServerUrl(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, username, password, search, hash } = new URL(url);
  return /^https?:$/.test(protocol) && username + password + search + hash === '';
}
