import { ApiKeys, ChatClient, type ChatClientOptions, ConfigurationError, Secret } from 'drun-sdk';
import { describe, expect, test, vi } from 'vitest';
import { KEY } from '../support/credentials.ts';
import { everythingShownOf, rejectionOf, thrownBy } from '../support/failures.ts';
import { json } from '../support/network.ts';

const client = (options: ChatClientOptions): ChatClient => new ChatClient({ apiKey: KEY, ...options });

const PASSWORD = 'hunter2hunter2';

describe('a base URL', () => {
  test.each([
    ['over http to another host', 'http://chat.d.run'],
    ['over http to a host whose name starts with `localhost`', 'http://localhost.example'],
    ['over http to a host whose name starts with a loopback address', 'http://127.0.0.1.example'],
    ['over http to a private network address', 'http://192.168.0.1'],
    ['over http to the unspecified address', 'http://0.0.0.0'],
    ['of another scheme', 'ftp://chat.d.run'],
    ['of a file', 'file:///etc/passwd'],
    ['of a script', 'javascript:alert(1)'],
    ['with a user name', `https://${PASSWORD}@chat.d.run`],
    ['with a password', `https://user:${PASSWORD}@chat.d.run`],
    ['with a password over http', `http://user:${PASSWORD}@chat.d.run`],
    ['with a query', `https://chat.d.run/?key=${PASSWORD}`],
    ['with a fragment', `https://chat.d.run/#${PASSWORD}`],
    ['without a scheme', `chat.d.run/${PASSWORD}`],
    ['with an invalid port', `https://user:${PASSWORD}@chat.d.run:port`],
    ['that is empty', ''],
    ['that is not a string', 12 as unknown as string],
    ['that is null', null as unknown as string],
  ])('%s causes a ConfigurationError that does not show it', (_, baseUrl) => {
    const error = thrownBy(ConfigurationError, () => client({ baseUrl }));

    expect(error.option).toBe('baseUrl');
    expect(everythingShownOf(error)).not.toContain(PASSWORD);
  });

  test.each([
    'http://localhost',
    'http://api.localhost:1',
    'http://127.1.2.3',
    'http://[::1]:8080',
    'https://a.example',
  ])('may be %s', (baseUrl) => {
    expect(() => client({ baseUrl })).not.toThrow();
  });
});

describe('a credential', () => {
  const malformed: [string, string][] = [
    ['with a space', `${KEY.slice(0, 20)} ${KEY.slice(20)}`],
    ['with a space at its end', `${KEY} `],
    ['with a line break within', `${KEY.slice(0, 20)}\n${KEY.slice(20)}`],
    ['with a line break at its start', `\n${KEY}`],
    ['with its scheme', `Bearer ${KEY}`],
    ['followed by a header', `${KEY}\r\nx-evil: 1`],
    ['with a tab', `\t${KEY}`],
    ['with a null byte', `${KEY}\0`],
    ['with a non-ASCII letter', `${KEY}é`],
    ['with a non-ASCII dash', KEY.replace('-', '–')],
    ['with a character beyond Latin 1', `${KEY}密`],
    ['with an invisible character', `\u200b${KEY}`],
    ['with a delete character', `${KEY}\x7f`],
  ];

  test.each(malformed)('%s causes a ConfigurationError that does not show it', (_, apiKey) => {
    const error = thrownBy(ConfigurationError, () => client({ apiKey }));

    expect(error.option).toBe('apiKey');
    expect(everythingShownOf(error)).not.toContain(KEY.slice(3, 15));
  });

  test.each(malformed)('%s is also rejected in a Secret', (_, apiKey) => {
    const error = thrownBy(ConfigurationError, () => client({ apiKey: new Secret(apiKey) }));

    expect(everythingShownOf(error)).not.toContain(KEY.slice(3, 15));
  });

  test.each<[string, unknown]>([
    ['that is empty', ''],
    ['that is an empty Secret', new Secret('')],
    ['that is a number', 4711],
    ['that is an object', { key: KEY }],
    ['that is an array', [KEY]],
    ['that is a promise', Promise.resolve(KEY)],
    ['that is a boolean', true],
  ])('%s is a ConfigurationError', (_, apiKey) => {
    const error = thrownBy(ConfigurationError, () => client({ apiKey: apiKey as string }));

    expect(error.option).toBe('apiKey');
    expect(everythingShownOf(error)).not.toContain(KEY);
  });
});

describe('headers', () => {
  test.each<[string, Record<string, string>]>([
    ['an Authorization', { Authorization: `Basic ${KEY}` }],
    ['an authorization in lower case', { authorization: `Basic ${KEY}` }],
    ['a line break in a value', { 'x-a': `${KEY}\r\nx-evil: 1` }],
    ['a null byte in a value', { 'x-a': `${KEY}\0` }],
    ['a non-ASCII value', { 'x-a': `${KEY}密` }],
    ['a value that is not a string', { 'x-a': [KEY] as unknown as string }],
    ['a name with a space', { [`x ${KEY}`]: 'a' }],
    ['a name with a colon', { 'x:': KEY }],
    ['an empty name', { '': KEY }],
    ...'Host Connection Content-Length transfer-encoding Keep-Alive Proxy-Connection Content-Encoding Expect TE UPGRADE'
      .split(' ')
      .map((name): [string, Record<string, string>] => [`the transport's own ${name}`, { [name]: KEY }]),
  ])('with %s cause a ConfigurationError that shows no value', async (_, headers) => {
    const fetch = vi.fn(async () => json({ data: [] }));

    const error = thrownBy(ConfigurationError, () => client({ headers }));
    const errorOfCall = await rejectionOf(ConfigurationError, client({ fetch }).models({ headers }));

    for (const one of [error, errorOfCall]) {
      expect(one.option).toBe('headers');
      expect(everythingShownOf(one)).not.toContain(KEY);
    }
    expect(fetch).not.toHaveBeenCalled();
  });

  test.each<[string, unknown]>([
    ['a string', 'x-a: 1'],
    ['a number', 12],
    ['an array of strings', ['x-a: 1']],
  ])('that are %s cause a ConfigurationError', async (_, headers) => {
    const error = thrownBy(ConfigurationError, () => client({ headers: headers as Headers }));
    const errorOfCall = await rejectionOf(
      ConfigurationError,
      client({}).models({ headers: headers as Headers }),
    );

    expect([error.option, errorOfCall.option]).toEqual(['headers', 'headers']);
  });

  test('are sent if they are a Map or a Headers object of another library', async () => {
    const sent: Headers[] = [];
    const fetch = async (_: string, init: RequestInit): Promise<Response> => {
      sent.push(new Headers(init.headers));
      return json({ data: [] });
    };
    const foreign = { [Symbol.iterator]: () => [['X-B', '2']].values() };

    await client({ fetch, headers: new Map([['X-A', '1']]) as unknown as Headers }).models({
      headers: foreign as unknown as Headers,
    });

    expect([sent[0]?.get('x-a'), sent[0]?.get('x-b')]).toEqual(['1', '2']);
  });

  test('with a credential are sent, and redacted in messages of the service', async () => {
    const token = 'proxy-token-0123456789abcdef';
    const sent: Headers[] = [];
    const fetch = async (_: string, init: RequestInit): Promise<Response> => {
      sent.push(new Headers(init.headers));
      return json({ error: { message: `bad ${token}` } }, 400);
    };

    const error = await client({ fetch, headers: { 'X-Proxy-Token': token } })
      .models()
      .catch((thrown: unknown) => thrown);

    expect(sent[0]?.get('x-proxy-token')).toBe(token);
    expect(everythingShownOf(error)).not.toContain(token);
  });
});

describe('an invalid signal', () => {
  const notSignal = (signal: unknown): { readonly signal: AbortSignal } => ({
    signal: signal as AbortSignal,
  });

  test.each<[string, unknown]>([
    ['an AbortController', new AbortController()],
    ['an object', {}],
    ['a number', 5_000],
  ])('such as %s causes a ConfigurationError, and nothing is sent', async (_, signal) => {
    const fetch = vi.fn(async () => json({}));
    const chat = client({ fetch });
    const keys = new ApiKeys({ accessToken: 'token-0123456789', fetch });
    const request = { model: 'public/deepseek-r1', messages: [] };
    const options = notSignal(signal);

    const calls = [
      chat.complete(request, options),
      chat.stream(request, options).completion(),
      chat.runTools(request, { ...options, tools: [] }),
      keys.create({ name: 'checkout' }, options),
      keys.list({}, options).then(() => {}),
      keys.delete('7', options),
      keys.replace('7', {}, options),
      keys.prune({ olderThanMs: 1 }, options),
    ];

    for (const call of calls) expect((await rejectionOf(ConfigurationError, call)).option).toBe('signal');
    expect(fetch).not.toHaveBeenCalled();
  });
});

test('a fetch that does not return a Response causes a ConfigurationError', async () => {
  const fetch = (async () => undefined) as unknown as NonNullable<ChatClientOptions['fetch']>;

  expect((await rejectionOf(ConfigurationError, client({ fetch }).models())).option).toBe('fetch');
});
