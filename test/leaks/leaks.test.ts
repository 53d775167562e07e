import { ApiKeys, type CallOptions, ChatClient, WorkspaceApiKeys } from 'drun-sdk';
import { describe, expect, it, vi } from 'vitest';
import { everythingShownOf } from '../support/failures.ts';
import { forms, shownForms } from './forms.ts';

/*
 * Whatever a server answers and whatever a library throws: nothing that a caller can print shows a credential.
 * Every operation is tried with every hostile answer, and each answer repeats the credential in every form.
 */

const CREDENTIAL = 'sk-UxO0kZv8mC1rT3qWn5bYd7fHj9_LgPs2aE4iX6-uN7ucU';
const options: CallOptions = { maxRetries: 0 };

type Fetch = (input: string, init: RequestInit) => Promise<Response>;
type Clients = { keys: ApiKeys; workspaceKeys: WorkspaceApiKeys; chat: ChatClient };

const operations: Record<string, (clients: Clients) => Promise<unknown>> = {
  'keys.create': ({ keys }) => keys.create({ name: 'checkout' }, { ...options }),
  'keys.create, settled': ({ keys }) => inNoTime(() => keys.create({ name: 'checkout' }, options)),
  'keys.list': ({ keys }) => Promise.resolve(keys.list({}, options)),
  'keys.list, walked': ({ keys }) => Array.fromAsync(keys.list({}, options)),
  'keys.delete': ({ keys }) => keys.delete('key-1', options),
  'keys.canCreate': ({ keys }) => keys.canCreate(options),
  'keys.getSecret': ({ keys }) => keys.getSecret('key-1', options),
  'keys.usage': ({ keys }) => keys.usage({ ids: ['key-1'] }, options),
  'keys.replace': ({ keys }) => keys.replace('key-1', {}, { ...options }),
  'keys.prune': ({ keys }) => keys.prune({ olderThanMs: 1 }, options),
  'workspaceKeys.create': ({ workspaceKeys }) =>
    workspaceKeys.create({ name: 'checkout', quota: 5 }, { ...options }),
  'workspaceKeys.listMine': ({ workspaceKeys }) => Promise.resolve(workspaceKeys.listMine({}, options)),
  'workspaceKeys.disable': ({ workspaceKeys }) => workspaceKeys.disable('key-1', options),
  'workspaceKeys.setQuota': ({ workspaceKeys }) => workspaceKeys.setQuota('key-1', 5, options),
  'chat.complete': ({ chat }) =>
    chat.complete({ model: 'public/deepseek-r1', messages: [{ role: 'user', content: 'Hi' }] }, options),
  'chat.models': ({ chat }) => chat.models(options),
  'chat.checkKey': ({ chat }) => chat.checkKey(options),
};

/** A success for each operation, with room for something else beside and inside of it. */
const success = (text: string): Record<string, unknown> => ({
  id: 'key-1',
  name: text,
  key: text.slice(0, 3) === 'sk-' ? text : `sk-${text}`,
  creationTimestamp: '2026-11-01T00:00:00Z',
  createBy: text,
  userId: text,
  allowModels: [text],
  items: [
    { id: `id ${text}`, name: text, key: text, createBy: text, creationTimestamp: '2025-01-01T00:00:00Z' },
    { id: text, name: 'checkout', key: text },
  ],
  totalUsage: { input: '1' },
  dataPoints: [{ model: text, modelType: text, usage: { [text]: text } }],
  page: { page: 1, pageSize: 10, total: 1, search: text },
  allowed: false,
  reason: text,
  object: text,
  created: 1,
  model: text,
  choices: [{ index: 0, message: { role: 'assistant', content: text, [text]: text }, finish_reason: text }],
  data: [{ id: text, [text]: { [text]: [text] } }],
  [text]: { [text]: [text] },
});

/** What a hostile server makes of a text that holds the credential. */
const answers: Record<string, (text: string) => Response> = {
  'a 401 of the data plane': (text) =>
    Response.json(
      { error: { message: `Incorrect API key provided: ${text}`, code: text, type: text, param: text } },
      { status: 401 },
    ),
  'a 401 of the control plane': (text) => Response.json({ id: text, message: text }, { status: 401 }),
  'a 400 in plain text': (text) => new Response(`no: ${text}`, { status: 400 }),
  'a 403 in HTML': (text) =>
    new Response(`<p title="${text}">${text}</p>`, { status: 403, headers: { 'content-type': 'text/html' } }),
  'a 404 with nested fields': (text) =>
    Response.json(
      { error: { message: { deep: [text] }, [text]: text }, detail: [{ msg: text }] },
      { status: 404 },
    ),
  'a 409 with a text as its error': (text) => Response.json({ error: text, code: text }, { status: 409 }),
  'a 429 with headers': (text) =>
    Response.json(
      { message: text },
      {
        status: 429,
        headers: { 'x-request-id': text, 'retry-after': text, 'x-debug': text, 'content-type': text },
      },
    ),
  'a 500 with a request id': (text) =>
    new Response(text, { status: 500, statusText: 'no', headers: { 'request-id': text } }),
  'a 503 with a long text': (text) => new Response(`${'x'.repeat(480)}${text}`, { status: 503 }),
  'a redirect': (text) =>
    new Response(text, {
      status: 302,
      headers: { location: `https://x.example/?k=${encodeURIComponent(text)}` },
    }),
  'a success in HTML': (text) =>
    new Response(`<html>${text}`, { headers: { 'content-type': `text/html; a=${text}` } }),
  'a success in broken JSON': (text) => new Response(`{"${text}": ${text}`),
  'a success of another shape': (text) =>
    Response.json({
      id: { [text]: text },
      items: text,
      allowed: text,
      choices: text,
      data: text,
      [text]: text,
    }),
  'a success with an error in it': (text) => Response.json({ error: { message: text, code: text } }),
  'a success that repeats it everywhere': (text) =>
    Response.json(success(text), { headers: { 'x-debug': text } }),
  'a success with its letters escaped': (text) =>
    new Response(
      JSON.stringify(success(text)).replaceAll(JSON.stringify(text).slice(1, -1), escapeLetters(text)),
    ),
};

const failures: Record<string, (input: string, init: RequestInit) => unknown> = {
  'an error that holds the request': (input, init) =>
    Object.assign(new TypeError('fetch failed'), { request: { input, init }, config: init }),
  'an error that repeats the headers': (_, init) =>
    new Error(`cannot send ${JSON.stringify([...new Headers(init.headers)])}`),
  'an error with such a cause': (_, init) =>
    new TypeError('fetch failed', {
      cause: Object.assign(new Error(bearer(init)), { code: bearer(init), init }),
    }),
  'an aggregate of such errors': (_, init) => new AggregateError([new Error(bearer(init))], bearer(init)),
  'a text': (_, init) => bearer(init),
  'an object that is no error': (_, init) => ({ message: bearer(init), name: bearer(init), init }),
};

function escapeLetters(text: string): string {
  return JSON.stringify(text)
    .slice(1, -1)
    .replace(/[A-Za-z](?![\da-f]{4})/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`);
}

function bearer(init: RequestInit): string {
  return new Headers(init.headers).get('authorization') ?? 'nothing';
}

function clientsOver(fetch: Fetch): Clients {
  const headers = { 'x-api-key': CREDENTIAL };
  return {
    keys: new ApiKeys({ accessToken: CREDENTIAL, fetch, headers }),
    workspaceKeys: new WorkspaceApiKeys({ accessToken: CREDENTIAL, workspace: 12, fetch, headers }),
    chat: new ChatClient({ apiKey: CREDENTIAL, fetch, headers }),
  };
}

/** What a call comes to that waits in between, without the waiting. */
async function inNoTime(call: () => Promise<unknown>): Promise<unknown> {
  vi.useFakeTimers();
  try {
    const ended = { isTrue: false };
    const outcome = call().finally(() => {
      ended.isTrue = true;
    });
    outcome.catch(() => {});
    while (!ended.isTrue) await vi.advanceTimersByTimeAsync(500);
    return await outcome;
  } finally {
    vi.useRealTimers();
  }
}

async function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: unknown) => error);
}

describe.each(Object.entries(operations))('%s never shows the credential', (_, operation) => {
  describe.each(Object.entries(answers))('after %s', (_, answer) => {
    it.each(Object.entries(forms))('that repeats it %s', async (_, form) => {
      let sent = '';
      const clients = clientsOver(async (_, init) => {
        sent = bearer(init);
        return answer(form(CREDENTIAL));
      });

      const outcome = await outcomeOf(operation(clients));

      expect(sent).toBe(`Bearer ${CREDENTIAL}`);
      expect(shownForms(everythingShownOf(outcome) + everythingShownOf(clients), CREDENTIAL)).toEqual([]);
    });
  });

  it.each(Object.entries(failures))('when fetch throws %s', async (_, failure) => {
    const clients = clientsOver(async (input, init) => {
      throw failure(input, init);
    });

    const outcome = await outcomeOf(operation(clients));

    expect(outcome).toMatchObject({ name: expect.stringMatching(/^(?:Connection|UnknownOutcome)Error$/) });
    expect(shownForms(everythingShownOf(outcome) + everythingShownOf(clients), CREDENTIAL)).toEqual([]);
  });
});

describe('a key that the service has just made', () => {
  const NEW_KEY = 'sk-a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4';

  it('is in the secret and shows nowhere else', async () => {
    const { keys } = clientsOver(async () => Response.json({ id: 'key-1', name: 'checkout', key: NEW_KEY }));

    const created = await keys.create({ name: 'checkout' });

    expect(created.secret.reveal()).toBe(NEW_KEY);
    expect(shownForms(everythingShownOf(created), NEW_KEY)).toEqual([]);
  });

  it.each(Object.entries(forms))('does not show in an error that repeats it %s', async (_, form) => {
    const { keys } = clientsOver(async () =>
      Response.json({ name: form(NEW_KEY), key: 7, id: form(NEW_KEY) }),
    );

    const outcome = await outcomeOf(keys.create({ name: 'checkout' }));

    expect(outcome).toMatchObject({ name: 'UnknownOutcomeError' });
    expect(shownForms(everythingShownOf(outcome), NEW_KEY)).toEqual([]);
  });

  it('is in the Secret alone when it is shown again', async () => {
    const { keys } = clientsOver(async () => Response.json({ id: 'key-1', key: NEW_KEY }));

    const { data, response } = await keys.getSecret('key-1').withResponse();

    expect(data.reveal()).toBe(NEW_KEY);
    expect(shownForms(everythingShownOf(data) + everythingShownOf(response), NEW_KEY)).toEqual([]);
  });

  it('does not show on a list, in whatever field a server repeats it', async () => {
    const item = {
      id: `a ${NEW_KEY}`,
      name: NEW_KEY,
      key: NEW_KEY,
      createBy: NEW_KEY,
      denyModels: [NEW_KEY],
    };
    const { keys } = clientsOver(async () => Response.json({ items: [item], page: { total: 1 } }));

    const page = await keys.list();

    expect(page.items[0]?.maskedKey).toBe('sk-******w3X4');
    expect(shownForms(everythingShownOf(page), NEW_KEY)).toEqual([]);
  });
});
