import { ApiKeys, type CallOptions, ChatClient, DrunError, WorkspaceApiKeys } from 'drun-sdk';
import { describe, expect, it } from 'vitest';
import { everythingShownOf } from '../support/failures.ts';
import { forms, shownForms } from './forms.ts';

/*
 * Calls every method with hostile responses and errors that repeat the credential in every form. No printable output may
 * contain the credential.
 */

const API_KEY = 'sk-UxO0kZv8mC1rT3qWn5bYd7fHj9_LgPs2aE4iX6-uN7ucU';
const ACCESS_TOKEN = 'pat_Qw3rTyUi0pAsDfGhJkLzXcVbNm1234567890/Zx+Cv=';
const HEADER = 'proxy-k3y-9f8e7d6c5b4a39281706f5e4d3c2b1a0';
const options: CallOptions = { maxRetries: 0 };
const createOptions = { ...options };

type Fetch = (input: string, init: RequestInit) => Promise<Response>;
interface Clients {
  readonly keys: ApiKeys;
  readonly workspaceKeys: WorkspaceApiKeys;
  readonly chat: ChatClient;
}

const request = { model: 'public/deepseek-r1', messages: [{ role: 'user', content: 'Hi' }] } as const;

const methods: Record<string, (clients: Clients) => Promise<unknown>> = {
  'keys.create': ({ keys }) => keys.create({ name: 'checkout' }, createOptions),
  'keys.list': ({ keys }) => Promise.resolve(keys.list({}, options)),
  'keys.list, iterated': ({ keys }) => Array.fromAsync(keys.list({}, options)),
  'keys.delete': ({ keys }) => keys.delete('key-1', options),
  'keys.canCreate': ({ keys }) => keys.canCreate(options),
  'keys.getSecret': ({ keys }) => keys.getSecret('key-1', options),
  'keys.usage': ({ keys }) => keys.usage({ ids: ['key-1'] }, options),
  'keys.replace': ({ keys }) => keys.replace('key-1', {}, createOptions),
  'keys.prune': ({ keys }) => keys.prune({ olderThanMs: 1 }, { ...options, dryRun: false }),
  'workspaceKeys.create': ({ workspaceKeys }) =>
    workspaceKeys.create({ name: 'checkout', quota: 5 }, createOptions),
  'workspaceKeys.listMine': ({ workspaceKeys }) => Promise.resolve(workspaceKeys.listMine({}, options)),
  'workspaceKeys.disable': ({ workspaceKeys }) => workspaceKeys.disable('key-1', options),
  'workspaceKeys.setQuota': ({ workspaceKeys }) => workspaceKeys.setQuota('key-1', 5, options),
  'chat.complete': ({ chat }) => chat.complete(request, options),
  'chat.stream': ({ chat }) => chat.stream(request, options).completion(),
  'chat.models': ({ chat }) => chat.models(options),
  'chat.checkKey': ({ chat }) => chat.checkKey(options),
};

/** Responses of a hostile server, created from a text that contains the credential. */
const responses: Record<string, (text: string) => Response> = {
  'a 401 of the data plane': (text) =>
    Response.json(
      { error: { message: `Incorrect API key provided: ${text}`, code: text, type: text, param: text } },
      { status: 401 },
    ),
  'a 401 of the control plane': (text) => Response.json({ id: text, message: text }, { status: 401 }),
  'a 400 in plain text': (text) => new Response(`no: ${text}`, { status: 400 }),
  'a 400 of an unknown shape': (text) => Response.json({ [text]: { [text]: text } }, { status: 400 }),
  'a 403 in HTML': (text) =>
    new Response(`<title>${text}</title><p title="${text}">${text}</p>`, { status: 403 }),
  'a 404 with nested fields': (text) =>
    Response.json(
      { error: { message: { deep: [text] }, [text]: text }, detail: [{ msg: text }] },
      { status: 404 },
    ),
  'a 409 with a string in `error`': (text) => Response.json({ error: text, code: text }, { status: 409 }),
  'a 422 that repeats input': (text) =>
    Response.json({ detail: [{ loc: [text], msg: text, input: text }] }, { status: 422 }),
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
  'a 502 that is larger than 64 KiB': (text) =>
    new Response(`${text}${'x '.repeat(40_000)}${text}`, { status: 502 }),
  'a 503 that is truncated within the credential': (text) =>
    new Response(`${'x '.repeat(240)}${text}`, { status: 503 }),
  'a 503 as an event stream': (text) =>
    new Response(`data: {"error":{"message":${JSON.stringify(text)}}}\n\n`, { status: 503 }),
  'a redirect': (text) =>
    new Response(text, {
      status: 302,
      headers: { location: `https://x.example/?k=${encodeURIComponent(text)}` },
    }),
  'a 200 in HTML': (text) =>
    new Response(`<html>${text}`, { headers: { 'content-type': `text/html; a=${text}` } }),
  'a 200 in broken JSON': (text) => new Response(`{"${text}": ${text}`),
  'a 200 of another shape': (text) =>
    Response.json({
      id: { [text]: text },
      items: text,
      allowed: text,
      choices: text,
      data: text,
      [text]: text,
    }),
  'a 200 without any known field': (text) => Response.json({ [text]: [text] }),
  'a 200 with an error': (text) => Response.json({ error: { message: text, code: text } }),
  'a 200 with a code': (text) => Response.json({ code: 401, msg: text, data: null }),
  'a stream that fails': (text) =>
    new Response(
      `data: ${JSON.stringify({ choices: [{ delta: { content: text } }] })}\n\ndata: ${JSON.stringify({ error: { message: text, code: text } })}\n\n`,
      {
        headers: { 'content-type': 'text/event-stream' },
      },
    ),
  'a truncated stream': (text) =>
    new Response(`data: ${JSON.stringify({ [text]: text, choices: [{ delta: { content: text } }] })}\n\n`, {
      headers: { 'content-type': 'text/event-stream' },
    }),
};

const failures: Record<string, (input: string, init: RequestInit) => unknown> = {
  'an error that holds the request': (input, init) =>
    Object.assign(new TypeError('fetch failed'), { request: { input, init }, config: init }),
  'an error that repeats the headers': (_, init) =>
    new Error(`cannot send ${JSON.stringify([...new Headers(init.headers)])}`),
  'an error whose cause repeats the headers': (_, init) =>
    new TypeError('fetch failed', {
      cause: Object.assign(new Error(bearer(init)), { code: bearer(init), init }),
    }),
  'an AggregateError that repeats the headers': (_, init) =>
    new AggregateError([new Error(bearer(init))], bearer(init)),
  'a string': (_, init) => bearer(init),
  'an object that is not an error': (_, init) => ({ message: bearer(init), name: bearer(init), init }),
};

/** The confidential headers of a request. */
function bearer(init: RequestInit): string {
  const headers = new Headers(init.headers);
  return `${headers.get('authorization')} ${headers.get('x-api-key')}`;
}

function newClients(fetch: Fetch): Clients {
  const common = { fetch, headers: { 'x-api-key': HEADER } };
  return {
    keys: new ApiKeys({ accessToken: ACCESS_TOKEN, ...common }),
    workspaceKeys: new WorkspaceApiKeys({ accessToken: ACCESS_TOKEN, workspace: 12, ...common }),
    chat: new ChatClient({ apiKey: API_KEY, ...common }),
  };
}

/** The forms in which a method's responses contain the credential. All methods share the redaction. */
function formsFor(method: string): [name: string, encode: (credential: string) => string][] {
  if (['keys.create', 'chat.complete', 'chat.stream'].includes(method)) return Object.entries(forms);
  const position = Object.keys(methods).indexOf(method);
  return Object.entries(forms).filter((_, index) => (index + position) % 4 === 0);
}

describe.each(Object.entries(methods))('%s', (name, method) => {
  const credential = name.startsWith('chat') ? API_KEY : ACCESS_TOKEN;

  it('shows no credential after any response', async () => {
    const shown: string[] = [];
    let respond = (): Response => new Response();
    const clients = newClients(async () => respond());
    for (const [title, response] of Object.entries(responses)) {
      for (const [index, [form, encode]] of formsFor(name).entries()) {
        // A truncated response contains only the first credential.
        const credentials = index % 2 === 0 ? [credential, HEADER] : [HEADER, credential];
        respond = () => response(credentials.map(encode).join(' '));

        const error = await method(clients).catch((thrown: unknown) => thrown);

        // A successful result is not redacted.
        if (!(error instanceof DrunError)) continue;
        const everything = everythingShownOf(error);
        const found = credentials.flatMap((value) => shownForms(everything, value));
        if (found.length > 0) shown.push(`${title}, ${form}: ${found}`);
      }
    }
    // Inspecting clients in depth is slow, so they are inspected once, after all failures.
    const everything = everythingShownOf(clients);
    expect([...shown, ...shownForms(everything, credential), ...shownForms(everything, HEADER)]).toEqual([]);
  });

  it('shows no credential after any error of `fetch`', async () => {
    let fail = (_input: string, _init: RequestInit): unknown => undefined;
    const clients = newClients(async (...input) => {
      throw fail(...input);
    });
    let shown = '';
    for (const failure of Object.values(failures)) {
      fail = failure;

      const error = await method(clients).catch((thrown: unknown) => thrown);

      expect(error).toMatchObject({ name: expect.stringMatching(/^(?:Connection|UnknownOutcome)Error$/) });
      shown += everythingShownOf(error);
    }
    shown += everythingShownOf(clients);
    expect([...shownForms(shown, credential), ...shownForms(shown, HEADER)]).toEqual([]);
  });
});

describe('a new key', () => {
  const NEW_KEY = 'sk-a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4';

  it('is only in the Secret', async () => {
    const { keys } = newClients(async () => Response.json({ id: 'key-1', name: 'checkout', key: NEW_KEY }));

    const created = await keys.create({ name: 'checkout' });

    expect(created.secret.reveal()).toBe(NEW_KEY);
    expect(shownForms(everythingShownOf(created), NEW_KEY)).toEqual([]);
  });

  it.each(Object.entries(forms))(
    'is not shown by an error for a response that contains it: %s',
    async (_, form) => {
      const { keys } = newClients(async () => Response.json({ name: form(NEW_KEY), key: 7, id: 'key-1' }));

      const outcome = await keys.create({ name: 'checkout' }, createOptions).catch((error: unknown) => error);

      expect(outcome).toMatchObject({ name: 'UnknownOutcomeError' });
      expect(shownForms(everythingShownOf(outcome), NEW_KEY)).toEqual([]);
    },
  );

  it('is only in the Secret that getSecret() returns', async () => {
    const { keys } = newClients(async () => Response.json({ id: 'key-1', key: NEW_KEY }));

    const { data, response } = await keys.getSecret('key-1').withResponse();

    expect(data.reveal()).toBe(NEW_KEY);
    expect(shownForms(everythingShownOf(data) + everythingShownOf(response), NEW_KEY)).toEqual([]);
  });

  it('is masked in a list, even if the server does not mask it', async () => {
    const items = [NEW_KEY, 'sk-******w3X4', 'opaque-key-without-a-known-form-w3X4'].map((key, id) => ({
      id: `${id}`,
      key,
    }));
    const { keys } = newClients(async () => Response.json({ items, page: { total: 3 } }));

    const page = await keys.list();

    expect(page.items.map(({ maskedKey }) => maskedKey)).toEqual([
      'sk-******w3X4',
      'sk-******w3X4',
      'opaque-******w3X4',
    ]);
    expect(everythingShownOf(page)).not.toMatch(/a1B2c3D4|without-a-known/);
  });
});
