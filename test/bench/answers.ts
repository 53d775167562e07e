/** What the server of the benchmark answers: as long as real answers are. */

/** How a stream is written: at once, an event at a time, or in pieces that know nothing of events. */
export type Writes = 'whole' | 'events' | 'pieces';

export const WRITES: readonly Writes[] = ['whole', 'events', 'pieces'];

const HEAD = {
  id: 'chatcmpl-8f1b2c3d4e5f',
  created: 1_772_000_000,
  model: 'public/deepseek-r1',
  system_fingerprint: 'fp_1',
};

export const MODEL = HEAD.model;

export const COMPLETION = {
  ...HEAD,
  object: 'chat.completion',
  choices: [
    {
      index: 0,
      message: {
        role: 'assistant',
        content:
          'A cloud is a large number of computers that somebody else looks after. You rent as much of it as you need, ' +
          'for as long as you need it, and give it back when you are done; what you pay for is what you have used.',
      },
      finish_reason: 'stop',
      logprobs: null,
    },
  ],
  usage: { prompt_tokens: 24, completion_tokens: 49, total_tokens: 73 },
};

/** How many chunks a stream has. */
export const CHUNKS = 5_000;

const chunk = (fields: object): string =>
  `data: ${JSON.stringify({ ...HEAD, object: 'chat.completion.chunk', ...fields })}\n\n`;

const WORDS = ['A ', 'cloud ', 'is ', 'a ', 'large ', 'number ', 'of ', 'computers', ', ', 'and '];

/** The events of a stream: a role, the text, why it ended, what it cost, the end mark. */
export const STREAM_EVENTS: readonly string[] = [
  chunk({ choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] }),
  ...Array.from({ length: CHUNKS - 3 }, (_, number) =>
    chunk({
      choices: [{ index: 0, delta: { content: WORDS[number % WORDS.length] }, finish_reason: null }],
    }),
  ),
  chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
  chunk({ choices: [], usage: { prompt_tokens: 24, completion_tokens: 4_997, total_tokens: 5_021 } }),
  'data: [DONE]\n\n',
];

/** The text of the stream, by which a client shows that it read all of it. */
export const STREAM_TEXT = Array.from(
  { length: CHUNKS - 3 },
  (_, number) => WORDS[number % WORDS.length],
).join('');
