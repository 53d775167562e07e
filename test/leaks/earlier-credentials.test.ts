import { ApiKeys, ChatClient } from 'drun-sdk';
import { expect, it } from 'vitest';
import { everythingShownOf } from '../support/failures.ts';
import { shownForms } from './forms.ts';

const FIRST = 'sk-UxO0kZv8mC1rT3qWn5bYd7fHj9_LgPs2aE4iX6-uN7ucU';
const SECOND = 'sk-zZ9yY8xX7wW6vV5uU4tT3sS2rR1qQ0pPoOnNmMlLkKjJi';
const request = { model: 'public/deepseek-r1', messages: [{ role: 'user', content: 'Hi' }] } as const;
const baseUrl = 'http://127.0.0.1:1';

const replaced = ({ rejected }: { rejected?: unknown }): string => (rejected ? SECOND : FIRST);

it('does not show a refused key that the service repeats after another one was tried', async () => {
  const echo = Response.json({ error: { message: `not ${btoa(FIRST)}, nor ${FIRST}` } }, { status: 401 });
  const chat = new ChatClient({ apiKey: replaced, baseUrl, fetch: async () => echo.clone() });

  const error = await chat.complete(request).catch((thrown: unknown) => thrown);

  expect(error).toMatchObject({ name: 'AuthenticationError', maskedKey: 'sk-******KjJi' });
  expect(shownForms(everythingShownOf(error), FIRST)).toEqual([]);
});

it('does not show a refused key in the answer that another one got', async () => {
  const answers = [
    Response.json({ error: { message: 'no' } }, { status: 401 }),
    Response.json({ choices: [{ message: { content: `your old key was ${FIRST}` } }] }),
  ];
  const chat = new ChatClient({
    apiKey: replaced,
    baseUrl,
    fetch: async () => answers.shift() ?? Response.error(),
  });

  const answer = await chat.complete(request);

  expect(answer.choices[0].message.content).toBe('your old key was sk-******7ucU');
});

it('does not show an access token of no known form that was refused before', async () => {
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
])('does not show a part of the header %s', async (name, value, part) => {
  const fetch = async (): Promise<Response> => new Response(`session ${part} expired`, { status: 400 });
  const chat = new ChatClient({ apiKey: FIRST, baseUrl, fetch, headers: { [name]: value } });

  const error = await chat.models().catch((thrown: unknown) => thrown);

  expect(error).toMatchObject({ name: 'InvalidRequestError' });
  expect(everythingShownOf(error)).not.toContain(part);
});

it('leaves answers alone that hold no credential, but words that look like a dummy or a setting', async () => {
  const content = 'The list is empty, 1+1=2, deepseek says.';
  const chat = new ChatClient({
    apiKey: 'EMPTY',
    baseUrl,
    headers: { 'x-token-limit': '1', 'x-author': 'deepseek' },
    fetch: async () => Response.json({ choices: [{ message: { content } }] }),
  });

  expect((await chat.complete(request)).choices[0].message.content).toBe(content);
});

it("does not show one item's key in the name of another", async () => {
  const items = [
    { id: '1', key: FIRST },
    { id: '2', name: `copy of ${FIRST}`, key: SECOND },
  ];
  const keys = new ApiKeys({ accessToken: 'token', baseUrl, fetch: async () => Response.json({ items }) });

  expect(shownForms(everythingShownOf(await keys.list()), FIRST)).toEqual([]);
});
