import { ChatClient } from 'drun-sdk/chat';
import { describe, expect, it } from 'vitest';
import { everythingShownOf } from '../support/failures.ts';
import { forms, shownForms } from './forms.ts';

const CREDENTIAL = 'sk-UxO0kZv8mC1rT3qWn5bYd7fHj9_LgPs2aE4iX6-uN7ucU';
const request = { model: 'public/deepseek-r1', messages: [{ role: 'user', content: 'Hi' }] } as const;

const says = (content: string, finish_reason: string | null = null): string =>
  `data: ${JSON.stringify({ [content]: content, choices: [{ index: 0, delta: { content }, finish_reason }] })}\n\n`;

function streaming(body: string): ChatClient {
  const headers = { 'content-type': 'text/event-stream' };
  return new ChatClient({ apiKey: CREDENTIAL, fetch: async () => new Response(body, { headers }) });
}

/** Streams that repeat a text, by how they end. */
const endings: Record<string, (text: string) => string> = {
  'is whole': (text) => `${says(text)}${says('', 'stop')}data: [DONE]\n\n`,
  'is cut off': (text) => says(text),
  'reports an error': (text) => `${says(text)}data: ${JSON.stringify({ error: { message: text } })}\n\n`,
  'reports an error as a text': (text) => `${says(text)}event: error\ndata: ${text}\n\n`,
  'is no JSON': (text) => `${says(text)}data: ${text}\n\n`,
};

describe.each(Object.entries(endings))('a stream that %s', (_, ending) => {
  it.each(Object.entries(forms))(
    'does not show the key in what it comes to, repeated %s',
    async (_, form) => {
      const stream = streaming(ending(form(CREDENTIAL))).stream(request);

      const outcome = await stream.completion().catch((error: unknown) => error);

      expect(shownForms(everythingShownOf(outcome) + everythingShownOf(stream), CREDENTIAL)).toEqual([]);
    },
  );
});

it('does not show a key that comes in clear in a chunk', async () => {
  const chunks = await Array.fromAsync(
    streaming(`${says(CREDENTIAL, 'stop')}data: [DONE]\n\n`).stream(request),
  );

  expect(chunks[0]?.choices[0]?.delta.content).toBe('sk-******7ucU');
});

it('does not show a key that comes in parts in the completion', async () => {
  const parts = says(CREDENTIAL.slice(0, 20)) + says(CREDENTIAL.slice(20), 'stop');

  const completion = await streaming(`${parts}data: [DONE]\n\n`).stream(request).completion();

  expect(completion.choices[0].message.content).toBe('sk-******7ucU');
});
