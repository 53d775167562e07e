import { MODEL } from './model.ts';

/* The server's responses. They are as long as real ones. */

/** How a stream is written: at once, or one event per write. `held` writes the first event and then nothing more. */
export type Writes = 'whole' | 'events' | 'held';

const HEAD = {
  id: 'chatcmpl-8f1b2c3d4e5f',
  created: 1_772_000_000,
  model: MODEL,
  system_fingerprint: 'fp_1',
};

export const TEXT =
  'A cloud is a large number of computers that somebody else operates. You rent as much of it as you need, for as long ' +
  'as you need it, and give it back when you are done. You pay for what you have used.';

export const COMPLETION = {
  ...HEAD,
  object: 'chat.completion',
  choices: [
    { index: 0, message: { role: 'assistant', content: TEXT }, finish_reason: 'stop', logprobs: null },
  ],
  usage: { prompt_tokens: 24, completion_tokens: 49, total_tokens: 73 },
};

export const KEYS = {
  items: Array.from({ length: 5 }, (_, index) => ({
    id: `key-${index}`,
    name: `service-${index}`,
    key: 'sk-******7ucU',
    creationTimestamp: '2026-02-03T04:05:06Z',
    userId: 'u-8105f7322477',
    allowModels: [],
    denyModels: [],
  })),
  page: { page: 1, pageSize: -1, total: 5 },
};

/** Number of chunks of a stream. */
export const CHUNKS = 5_000;

const chunk = (fields: object): string =>
  `data: ${JSON.stringify({ ...HEAD, object: 'chat.completion.chunk', ...fields })}\n\n`;

const WORDS = ['A ', 'cloud ', 'is ', 'a ', 'large ', 'number ', 'of ', 'computers', ', ', 'and '];

/** A role, the text, the finish reason, the usage and the end. */
export const STREAM_EVENTS: readonly string[] = [
  chunk({ choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] }),
  ...Array.from({ length: CHUNKS - 3 }, (_, number) =>
    chunk({ choices: [{ index: 0, delta: { content: WORDS[number % WORDS.length] }, finish_reason: null }] }),
  ),
  chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
  chunk({ choices: [], usage: { prompt_tokens: 24, completion_tokens: 4_997, total_tokens: 5_021 } }),
  'data: [DONE]\n\n',
];

/** The text of the stream. A client that returns less than this would look fast. */
export const STREAM_TEXT = Array.from(
  { length: CHUNKS - 3 },
  (_, number) => WORDS[number % WORDS.length],
).join('');
