import { ApiKeys, ChatClient } from 'drun-sdk';
import { expect, it } from 'vitest';
import { everythingShownOf } from '../support/failures.ts';
import { shownForms } from './forms.ts';

const FIRST = 'sk-UxO0kZv8mC1rT3qWn5bYd7fHj9_LgPs2aE4iX6-uN7ucU';
const SECOND = 'sk-zZ9yY8xX7wW6vV5uU4tT3sS2rR1qQ0pPoOnNmMlLkKjJi';
const request = { model: 'public/deepseek-r1', messages: [{ role: 'user', content: 'Hi' }] } as const;
const baseUrl = 'http://127.0.0.1:1';

const replaced = ({ rejected }: { rejected?: unknown }): string => (rejected ? SECOND : FIRST);

it('an error does not show a key that was rejected earlier in the call', async () => {
  const echo = Response.json({ error: { message: `not ${btoa(FIRST)}, nor ${FIRST}` } }, { status: 401 });
  const chat = new ChatClient({ apiKey: replaced, baseUrl, fetch: async () => echo.clone() });

  const error = await chat.complete(request).catch((thrown: unknown) => thrown);

  expect(error).toMatchObject({ name: 'AuthenticationError', maskedKey: 'sk-******KjJi' });
  expect(shownForms(everythingShownOf(error), FIRST)).toEqual([]);
});

it('an error does not show an access token that was rejected earlier in the call', async () => {
  const token = 'opaquetokenone1234567';
  const keys = new ApiKeys({
    accessToken: ({ rejected }) => (rejected ? 'opaquetokentwo7654321' : token),
    baseUrl,
    fetch: async () => Response.json({ id: 'x', message: `unknown: ${token}` }, { status: 401 }),
  });

  const error = await keys.canCreate().catch((thrown: unknown) => thrown);

  expect(everythingShownOf(error)).not.toContain(token);
});

it.each([
  ['cookie', 'a=1; session=Zm9vYmFyYmF6cXV4MTIz', 'Zm9vYmFyYmF6cXV4MTIz'],
  ['proxy-authorization', `Basic ${btoa('user:password-12345')}`, 'password-12345'],
  ['x-api-key', 'k3y-of-the-proxy', 'k3y-of-the-proxy'],
  ['x-forwarded-jwt', 'eyJhbGciOi.Zm9vYmFyYmF6', 'eyJhbGciOi.Zm9vYmFyYmF6'],
  ['x-session-id', 'Zm9vYmFyYmF6cXV4MTIz', 'Zm9vYmFyYmF6cXV4MTIz'],
])('an error does not show part of the header %s', async (name, value, part) => {
  const fetch = async (): Promise<Response> => new Response(`session ${part} expired`, { status: 400 });
  const chat = new ChatClient({ apiKey: FIRST, baseUrl, fetch, headers: { [name]: value } });

  const error = await chat.models().catch((thrown: unknown) => thrown);

  expect(error).toMatchObject({ name: 'InvalidRequestError' });
  expect(everythingShownOf(error)).not.toContain(part);
});

it.each([
  'http://user:pass-word1@proxy:3128/',
  'redis://:pass-word1@cache',
  'https://pat:pass-word1@10.0.0.1',
])('an error does not show the password in a URL: %s', async (url) => {
  const fetch = async (): Promise<Response> => {
    throw new TypeError('fetch failed', { cause: new Error(`cannot connect via ${url}`) });
  };
  const chat = new ChatClient({ apiKey: FIRST, baseUrl, fetch, maxRetries: 0 });

  const error = await chat.models().catch((thrown: unknown) => thrown);

  expect(error).toMatchObject({ name: 'ConnectionError' });
  expect(everythingShownOf(error)).not.toContain('pass-word1');
});

it.each([
  ['a key', `your key is ${FIRST}`, FIRST],
  ['words that look like a dummy credential', 'The list is EMPTY, 1+1=2.', 'EMPTY'],
])('a successful result is not redacted: %s', async (_, content, apiKey) => {
  const body = { id: content, choices: [{ message: { content }, finish_reason: 'stop' }] };
  const chat = new ChatClient({ apiKey, baseUrl, fetch: async () => Response.json(body) });

  const completion = await chat.complete(request);

  expect([completion.id, completion.choices[0].message.content]).toEqual([content, content]);
});
