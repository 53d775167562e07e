import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isPlainCompletion } from '../../src/chat/plain-completion.ts';
import { chatCompletion } from '../../src/chat/schema.ts';

const COMPLETION = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1_772_000_000,
  model: 'public/deepseek-r1',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: 'Hello!', reasoning_content: null },
      finish_reason: 'stop',
      logprobs: null,
    },
  ],
  usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
};

/** A body, and where in it something can be put in the place of what is there. */
const places = [
  [],
  ['id'],
  ['created'],
  ['model'],
  ['choices'],
  ['choices', 0],
  ['choices', 0, 'index'],
  ['choices', 0, 'message'],
  ...['role', 'content', 'reasoning_content', 'reasoning', 'refusal', 'tool_calls'].map((name) => [
    'choices',
    0,
    'message',
    name,
  ]),
  ['choices', 0, 'finish_reason'],
  ['choices', 0, 'unknown'],
  ['usage'],
  ...['prompt_tokens', 'completion_tokens', 'total_tokens', 'unknown'].map((name) => ['usage', name]),
];

const values = fc.oneof(
  fc.constantFrom(
    undefined,
    null,
    '',
    'text',
    0,
    1.5,
    -1,
    true,
    [],
    [1],
    {},
    Number.POSITIVE_INFINITY,
    2 ** 60,
  ),
  fc.jsonValue(),
);

function withValueAt(body: unknown, [name, ...rest]: readonly (string | number)[], value: unknown): unknown {
  if (name === undefined) return value;
  if (typeof body !== 'object' || body === null) return body;
  const copy = (Array.isArray(body) ? [...body] : { ...body }) as Record<string | number, unknown>;
  copy[name] = withValueAt(copy[name], rest, value);
  return copy;
}

test('the usual completion is plain', () => {
  expect(isPlainCompletion(COMPLETION)).toBe(true);
});

test('whatever is plain, the schema accepts, and makes nothing else of it', () => {
  const changes = fc.array(fc.tuple(fc.constantFrom(...places), values), { maxLength: 3 });
  let plain = 0;
  let others = 0;
  fc.assert(
    fc.property(changes, (made) => {
      const body = made.reduce<unknown>(
        (changed, [place, value]) => withValueAt(changed, place, value),
        COMPLETION,
      );
      if (!isPlainCompletion(body)) {
        others++;
        return;
      }
      plain++;
      expect(chatCompletion.safeParse(body)).toEqual({ success: true, data: body });
    }),
    { numRuns: 3_000 },
  );
  expect(Math.min(plain, others), 'both kinds are tried').toBeGreaterThan(300);
});
