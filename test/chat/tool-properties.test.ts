import { ChatClient, type ChatMessage, defineTool, type ToolEvent } from 'drun-sdk/chat';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import * as z from 'zod';
import { events } from '../conformance/cases.ts';
import { KEY } from '../support/credentials.ts';

const question = { role: 'user', content: 'Hello, model!' } as const;

/** A call of `echo`. It returns its text, or fails validation if the text is a number. */
const call = fc.record({ text: fc.oneof({ weight: 5, arbitrary: fc.string() }, fc.integer()) });
const round = fc.record({
  text: fc.string(),
  reasoning: fc.string(),
  calls: fc.array(call, { minLength: 1, maxLength: 3 }),
  tokens: fc.nat(100),
});
const conversation = fc.record({
  rounds: fc.array(round, { maxLength: 4 }),
  reply: fc.string({ minLength: 1 }),
  tokens: fc.nat(100),
});
type Conversation = typeof conversation extends fc.Arbitrary<infer T> ? T : never;

interface Reply {
  readonly message: { readonly tool_calls?: object[]; readonly [field: string]: unknown };
  readonly finish_reason: string;
  readonly tokens: number;
}

function repliesOf({ rounds, reply, tokens }: Conversation): Reply[] {
  const replies = rounds.map((one, number): Reply => {
    const tool_calls = one.calls.map(({ text }, position) => ({
      id: `call_${number}_${position}`,
      type: 'function',
      function: { name: 'echo', arguments: JSON.stringify({ text }) },
    }));
    const message = { role: 'assistant', content: one.text, reasoning_content: one.reasoning, tool_calls };
    return { message, finish_reason: 'tool_calls', tokens: one.tokens };
  });
  return [...replies, { message: { role: 'assistant', content: reply }, finish_reason: 'stop', tokens }];
}

function bodyOf({ message, finish_reason, tokens }: Reply, isStream: boolean): string {
  const usage = { total_tokens: tokens, details: { cached_tokens: 1 } };
  const completed = { id: 'c', choices: [{ index: 0, message, finish_reason }], usage };
  if (!isStream) return JSON.stringify(completed);
  const { tool_calls = [], ...texts } = message;
  const deltas = [texts, ...tool_calls.map((one, index) => ({ tool_calls: [{ index, ...one }] }))];
  const chunks = deltas.map((delta) => ({ id: 'c', choices: [{ index: 0, delta }] }));
  return events(...chunks, { id: 'c', choices: [{ index: 0, delta: {}, finish_reason }], usage }, '[DONE]');
}

interface Run {
  readonly completion:
    | { readonly messages: readonly ChatMessage[]; readonly [field: string]: unknown }
    | undefined;
  readonly error: { readonly code?: string; readonly messages?: readonly ChatMessage[] } | undefined;
  readonly events: readonly ToolEvent[];
  readonly sent: readonly (readonly ChatMessage[])[];
  readonly texts: readonly string[];
}

async function run(conversation: Conversation, isStream: boolean): Promise<Run> {
  const replies = repliesOf(conversation);
  const sent: ChatMessage[][] = [];
  const texts: string[] = [];
  const fetch = async (_: string, init: RequestInit): Promise<Response> => {
    sent.push(JSON.parse(String(init.body)).messages);
    return new Response(bodyOf(replies[sent.length - 1] as Reply, isStream));
  };
  const chat = new ChatClient({ apiKey: KEY, fetch, maxRetries: 0 });
  const echo = defineTool({
    name: 'echo',
    parameters: z.object({ text: z.string() }),
    run: async ({ text }) => {
      texts.push(text);
      return `echo ${text}`;
    },
  });
  const args = [{ model: 'm', messages: [question] }, { tools: [echo] }] as const;
  const received: ToolEvent[] = [];
  try {
    const stream = isStream ? chat.streamTools(...args) : undefined;
    for await (const event of stream ?? []) received.push(event);
    const completion = await (stream?.completion() ?? chat.runTools(...args));
    return { completion: { ...completion }, error: undefined, events: received, sent, texts };
  } catch (error) {
    return { completion: undefined, error: error as Run['error'], events: received, sent, texts };
  }
}

/** Checks that each result follows the message with its call, in the order of the calls. */
function expectOrder(messages: readonly ChatMessage[]): void {
  const ids = messages.flatMap((message) =>
    message.role === 'assistant' ? (message.tool_calls ?? []).map(({ id }) => id) : [],
  );
  const results = messages.flatMap((message) => (message.role === 'tool' ? [message.tool_call_id] : []));
  // A call that ended the run has no result.
  expect(results).toEqual(ids.filter((id) => results.includes(id)));
  const roles = messages.map(({ role, ...message }) =>
    role === 'assistant' && !('tool_calls' in message) ? 'reply' : role,
  );
  expect(roles.join(' ')).toMatch(/^user( assistant( tool)*)*( reply)?$/);
}

it('any conversation with tools is the same with and without streaming, in order and with its total usage', async () => {
  await fc.assert(
    fc.asyncProperty(conversation, async (conversation) => {
      const [completed, streamed] = [await run(conversation, false), await run(conversation, true)];
      const invalidRounds = conversation.rounds.flatMap(({ calls }, number) =>
        calls.some(({ text }) => typeof text === 'number') ? [number] : [],
      );

      for (const { completion, error, sent, texts } of [completed, streamed]) {
        for (const messages of sent) expectOrder(messages);
        if (invalidRounds.length > 1) {
          expect(error?.code).toBe('invalid_tool_call');
          expectOrder(error?.messages ?? []);
          continue;
        }
        expect(error).toBeUndefined();
        const all = [...conversation.rounds, conversation];
        expectOrder(completion?.messages ?? []);
        expect(completion).toMatchObject({
          rounds: conversation.rounds.length,
          usage: {
            total_tokens: all.reduce((sum, { tokens }) => sum + tokens, 0),
            details: { cached_tokens: all.length },
          },
        });
        const calls = conversation.rounds.flatMap((one) => one.calls);
        expect(texts).toEqual(calls.map(({ text }) => text).filter((text) => typeof text === 'string'));
      }
      expect(withoutEmptyTexts(streamed.completion)).toEqual(withoutEmptyTexts(completed.completion));
      const text = streamed.events.map((event) => (event.type === 'text' ? event.text : '')).join('');
      const expectedTexts = conversation.rounds
        .slice(0, (invalidRounds[1] ?? conversation.rounds.length) + 1)
        .map((one) => one.text);
      expect(text).toBe(
        [...expectedTexts, ...(invalidRounds.length > 1 ? [] : [conversation.reply])].join(''),
      );
    }),
    { numRuns: 60 },
  );
});

/** Removes empty texts, which a stream cannot distinguish from missing ones. */
function withoutEmptyTexts(value: unknown): unknown {
  return (
    value &&
    JSON.parse(JSON.stringify(value, (name, text) => (name === 'content' && text === '' ? null : text)))
  );
}
