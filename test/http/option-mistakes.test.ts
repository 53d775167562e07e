import {
  ApiKeys,
  ChatClient,
  ConfigurationError,
  defineTool,
  keyVerifier,
  Secret,
  WorkspaceApiKeys,
} from 'drun-sdk';
import { afterEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { KEY, TOKEN } from '../support/credentials.ts';
import { everyMethod, METHODS } from '../support/every-method.ts';
import { everythingShownOf, rejectionOf, thrownBy } from '../support/failures.ts';
import { json } from '../support/network.ts';

// biome-ignore lint/suspicious/noExplicitAny: plain JavaScript passes anything
type Anything = any;

const request = { model: 'public/deepseek-r1', messages: [] };
const schema = z.object({ city: z.string() });
const tool = defineTool({ name: 'weather', parameters: schema, run: () => 'sunny' });

const clients: Record<string, (options: Anything) => unknown> = {
  ChatClient: (options) => new ChatClient({ apiKey: KEY, ...options }),
  ApiKeys: (options) => new ApiKeys({ accessToken: TOKEN, ...options }),
  WorkspaceApiKeys: (options) => new WorkspaceApiKeys({ accessToken: TOKEN, workspace: 12, ...options }),
};

afterEach(() => vi.unstubAllEnvs());

describe('an unknown option of a client', () => {
  const MISSPELLED: [clients: string[], option: string, suggestion: string | undefined][] = [
    [Object.keys(clients), 'baseURL', 'baseUrl'],
    [Object.keys(clients), 'base_url', 'baseUrl'],
    [Object.keys(clients), 'basePath', 'baseUrl'],
    [Object.keys(clients), 'timeout', 'timeoutMs'],
    [Object.keys(clients), 'requestTimeout', 'timeoutMs'],
    [Object.keys(clients), 'timeoutMS', 'timeoutMs'],
    [Object.keys(clients), 'maxRetry', 'maxRetries'],
    [Object.keys(clients), 'retries', 'maxRetries'],
    [Object.keys(clients), 'defaultHeaders', 'headers'],
    [Object.keys(clients), 'header', 'headers'],
    [Object.keys(clients), 'onretry', 'onRetry'],
    [Object.keys(clients), 'log', 'logger'],
    [Object.keys(clients), 'allowInsecure', 'allowInsecureHttp'],
    [Object.keys(clients), 'dangerouslyAllowbrowser', 'dangerouslyAllowBrowser'],
    [Object.keys(clients), 'organization', undefined],
    [['ChatClient'], 'api_key', 'apiKey'],
    [['ChatClient'], 'apikey', 'apiKey'],
    [['ChatClient'], 'key', 'apiKey'],
    [['ChatClient'], 'idleTimeout', 'idleTimeoutMs'],
    [['ChatClient'], 'Region', 'region'],
    [['ChatClient'], 'workspace', undefined],
    [['ApiKeys', 'WorkspaceApiKeys'], 'access_token', 'accessToken'],
    [['ApiKeys', 'WorkspaceApiKeys'], 'token', 'accessToken'],
    [['ApiKeys', 'WorkspaceApiKeys'], 'lang', 'language'],
    [['ApiKeys', 'WorkspaceApiKeys'], 'region', undefined],
    [['WorkspaceApiKeys'], 'workspaceId', 'workspace'],
  ];

  it.each(MISSPELLED.flatMap(([names, ...rest]) => names.map((name) => [name, ...rest] as const)))(
    'throws: %s, %s (did you mean %s?)',
    (name, option, suggestion) => {
      const error = thrownBy(ConfigurationError, () => clients[name]?.({ [option]: KEY }));

      expect(error.option).toBe(option);
      expect(error.message.startsWith(`${name} has no option \`${option}\`.`)).toBe(true);
      if (suggestion === undefined) expect(error.message).not.toContain('Did you mean');
      else expect(error.message).toContain(`Did you mean \`${suggestion}\`?`);
      expect(everythingShownOf(error)).not.toContain(KEY);
    },
  );

  it.each(Object.keys(clients))('of %s is ignored if it is undefined', (name) => {
    expect(() => clients[name]?.({ baseURL: undefined })).not.toThrow();
  });

  it.each([
    ['ChatClient', (options: Anything) => new ChatClient(options)],
    ['ApiKeys', (options: Anything) => new ApiKeys(options)],
    ['WorkspaceApiKeys', (options: Anything) => new WorkspaceApiKeys(options)],
  ])('is not reported if %s receives a string', (_, create) => {
    vi.stubEnv('DRUN_API_KEY', KEY);
    vi.stubEnv('DRUN_ACCESS_TOKEN', TOKEN);

    for (const options of [KEY, null, [KEY], 7, true]) {
      const error = thrownBy(ConfigurationError, () => create(options));

      expect(everythingShownOf(error)).not.toContain(KEY);
    }
  });

  it.each([
    ['a Secret', new Secret(KEY)],
    ['a signal', AbortSignal.timeout(60_000)],
    ['headers', new Headers({ 'x-team': 'a' })],
    ['a date', new Date()],
    ['a map', new Map([['apiKey', KEY]])],
  ])('is not reported if clients and methods receive %s', async (_, options: Anything) => {
    vi.stubEnv('DRUN_API_KEY', KEY);
    vi.stubEnv('DRUN_ACCESS_TOKEN', TOKEN);
    const fetch = vi.fn();

    for (const Client of [ChatClient, ApiKeys, WorkspaceApiKeys]) {
      expect(thrownBy(ConfigurationError, () => new Client(options)).option).toBe('options');
    }
    const calls = [
      new ChatClient({ fetch }).complete(request as Anything, options),
      new ChatClient({ fetch }).models(options),
      new ApiKeys({ fetch }).delete('key-1', options),
      new ApiKeys({ fetch }).create(options),
      new ApiKeys({ fetch }).prune({ olderThanMs: 1 }, options),
    ];
    for (const call of calls) expect((await rejectionOf(ConfigurationError, call)).option).toBe('options');
    expect(fetch).not.toHaveBeenCalled();
  });

  it('is detected on an instance of a class', () => {
    class Settings {
      timeoutMs = 5_000;
    }

    expect(() => new ChatClient({ apiKey: KEY, ...new Settings() })).not.toThrow();
    vi.stubEnv('DRUN_API_KEY', KEY);
    expect(() => new ChatClient(new Settings())).not.toThrow();
  });

  it.each([['apiKey'], ['baseURL']])('of keyVerifier() throws: %s', (option) => {
    expect(thrownBy(ConfigurationError, () => keyVerifier({ [option]: KEY } as Anything)).option).toBe(
      option,
    );
  });

  it.each([
    ['abortSignal', { abortSignal: AbortSignal.timeout(60_000) }],
    ['timeoutMs', { timeoutMs: 5 }],
    ['options', null],
  ])('of verify() throws before anything is sent: %s', async (option, options: Anything) => {
    const fetch = vi.fn();
    const call = keyVerifier({ fetch }).verify(new Secret(KEY), options);

    expect((await rejectionOf(ConfigurationError, call)).option).toBe(option);
    expect(fetch).not.toHaveBeenCalled();
  });

  it.each(
    Object.keys(clients).flatMap((name) =>
      ['allowInsecureHttp', 'dangerouslyAllowBrowser'].map((option) => [option, name] as const),
    ),
  )('throws if `%s` of %s is not a boolean', (option, name) => {
    for (const value of ['true', 'false', 1, {}]) {
      expect(thrownBy(ConfigurationError, () => clients[name]?.({ [option]: value })).option).toBe(option);
    }
  });

  it('throws for a transport without `send`', () => {
    const create = (): unknown => new ChatClient({ apiKey: KEY, transport: {} as Anything });

    expect(thrownBy(ConfigurationError, create).option).toContain('transport');
  });
});

describe('an option that is null', () => {
  it.each(
    Object.entries({
      ChatClient: [
        'apiKey',
        'baseUrl',
        'region',
        'timeoutMs',
        'idleTimeoutMs',
        'maxRetries',
        'fetch',
        'transport',
        'headers',
        'onRetry',
        'logger',
      ],
      ApiKeys: [
        'accessToken',
        'baseUrl',
        'timeoutMs',
        'maxRetries',
        'fetch',
        'headers',
        'language',
        'onRetry',
        'logger',
      ],
      WorkspaceApiKeys: ['accessToken', 'baseUrl', 'workspace', 'language'],
    }).flatMap(([name, options]) => options.map((option) => [name, option] as const)),
  )('throws instead of using the default: %s, %s', (name, option) => {
    vi.stubEnv('DRUN_API_KEY', KEY);
    vi.stubEnv('DRUN_ACCESS_TOKEN', TOKEN);

    const error = thrownBy(ConfigurationError, () => clients[name]?.({ [option]: null }));

    expect(error.option).toBe(option);
  });
});

describe('a call', () => {
  const MISTAKES: [options: Anything, option: string][] = [
    [{ timeout: 5_000 }, 'timeout'],
    [{ timeoutSeconds: 5 }, 'timeoutSeconds'],
    [{ abortSignal: new AbortController().signal }, 'abortSignal'],
    [{ retries: 1 }, 'retries'],
    [{ header: {} }, 'header'],
    [{ expires_at: new Date() }, 'expires_at'],
    [{ signal: 5_000 }, 'signal'],
    [{ signal: {} }, 'signal'],
    [{ signal: new AbortController() }, 'signal'],
    [{ signal: { aborted: false, addEventListener() {} } }, 'signal'],
    [{ timeoutMs: '5s' }, 'timeoutMs'],
    [{ timeoutMs: 0 }, 'timeoutMs'],
    [{ timeoutMs: -1 }, 'timeoutMs'],
    [{ timeoutMs: Number.NaN }, 'timeoutMs'],
    [{ timeoutMs: 2 ** 31 }, 'timeoutMs'],
    [{ maxRetries: -1 }, 'maxRetries'],
    [{ maxRetries: 1.5 }, 'maxRetries'],
    [{ headers: 'x-a: 1' }, 'headers'],
    [{ headers: { Authorization: 'Bearer x' } }, 'headers'],
  ];

  it.each(everyMethod(MISTAKES.map(([options, option]) => [option, options] as const)))(
    'of %s with an invalid `%s` throws before anything is sent: %o',
    async (_, option, options, { call }) => {
      const fetch = vi.fn(async () => json({}));

      const error = await rejectionOf(ConfigurationError, call({ fetch }, options));

      expect(error.option).toBe(option);
      expect(fetch).not.toHaveBeenCalled();
    },
  );

  it.each(METHODS.map((method) => [method.name, method] as const))(
    'of %s suggests the documented name',
    async (_, { call }) => {
      const messages = await Promise.all(
        [{ timeout: 1 }, { abortSignal: 1 }, { maxRetry: 1 }].map((options) =>
          rejectionOf(ConfigurationError, call({}, options as Anything)),
        ),
      );

      expect(messages.map(({ message }) => /Did you mean `(\w+)`\?/.exec(message)?.[1])).toEqual([
        'timeoutMs',
        'signal',
        'maxRetries',
      ]);
    },
  );

  const fetch = vi.fn(async () => json({}));
  const chat = new ChatClient({ apiKey: KEY, fetch });
  const keys = new ApiKeys({ accessToken: TOKEN, fetch });
  const workspaceKeys = new WorkspaceApiKeys({ accessToken: TOKEN, workspace: 12, fetch });

  it.each<[string, () => unknown, string]>([
    ['prune with dryrun', () => keys.prune({ olderThanMs: 1 }, { dryrun: true } as Anything), 'dryrun'],
    [
      'prune with dryRun in the query',
      () => keys.prune({ olderThanMs: 1, dryRun: true } as Anything),
      'dryRun',
    ],
    ['prune with a misspelled query', () => keys.prune({ olderThan: 1 } as Anything), 'olderThan'],
    [
      'create with expires_at',
      () => keys.create({ name: 'a', expires_at: new Date() } as Anything),
      'expires_at',
    ],
    [
      'create with expireTime',
      () => keys.create({ name: 'a', expireTime: 'never' } as Anything),
      'expireTime',
    ],
    ['create with a quota in an account', () => keys.create({ name: 'a', quota: 5 } as Anything), 'quota'],
    ['list with limit', () => keys.list({ limit: 5 } as Anything), 'limit'],
    ['list with null', () => keys.list(null as Anything), 'options'],
    ['list with a number', () => keys.list(2 as Anything), 'options'],
    ['list with a string', () => keys.list('checkout' as Anything), 'options'],
    ['list with page_size', () => keys.list({ page_size: 5 } as Anything), 'page_size'],
    ['usage with since', () => keys.usage({ since: new Date() } as Anything), 'since'],
    [
      'replace with expires_at',
      () => keys.replace('key-1', { expires_at: new Date() } as Anything),
      'expires_at',
    ],
    [
      'complete with apiKey in the request',
      () => chat.complete({ ...request, apiKey: KEY } as Anything),
      'apiKey',
    ],
    [
      'complete with signal in the request',
      () => chat.complete({ ...request, signal: AbortSignal.abort() } as Anything),
      'signal',
    ],
    [
      'complete with timeoutMs in the request',
      () => chat.complete({ ...request, timeoutMs: 5 } as Anything),
      'timeoutMs',
    ],
    [
      'complete with headers in the request',
      () => chat.complete({ ...request, headers: {} } as Anything),
      'headers',
    ],
    [
      'complete with maxRetries in the request',
      () => chat.complete({ ...request, maxRetries: 5 } as Anything),
      'maxRetries',
    ],
    [
      'stream with apiKey in the request',
      () => chat.stream({ ...request, apiKey: KEY } as Anything).completion(),
      'apiKey',
    ],
    [
      'stream with idleTimeout',
      () => chat.stream(request, { idleTimeout: 5 } as Anything).completion(),
      'idleTimeout',
    ],
    [
      'complete with idleTimeoutMs',
      () => chat.complete(request, { idleTimeoutMs: 5 } as Anything),
      'idleTimeoutMs',
    ],
    [
      'parse with schema in the request',
      () => chat.parse({ ...request, schema } as Anything, { schema }),
      'schema',
    ],
    [
      'runTools with maxRounds in the request',
      () => chat.runTools({ ...request, maxRounds: 5 } as Anything, { tools: [tool] }),
      'maxRounds',
    ],
    [
      'runTools with maxSteps',
      () => chat.runTools(request, { tools: [tool], maxSteps: 5 } as Anything),
      'maxSteps',
    ],
    ['delete with a key', () => keys.delete(KEY), 'id'],
    ['replace with null', () => keys.replace('key-1', null as Anything), 'options'],
    ['replace with a name', () => keys.replace('key-1', 'checkout' as Anything), 'options'],
    ['usage with an empty id', () => keys.usage({ ids: '' as Anything }), 'ids'],
    ['usage with false', () => keys.usage({ models: false as Anything }), 'models'],
    ['usage from 0', () => keys.usage({ from: 0 as Anything }), 'from'],
    ['usage to an empty string', () => keys.usage({ to: '' as Anything }), 'to'],
    [
      'prune with onlyMine as a string',
      () => workspaceKeys.prune({ olderThanMs: 1, onlyMine: 'false' as Anything }),
      'onlyMine',
    ],
    [
      'prune with onlyMine as a number',
      () => workspaceKeys.prune({ olderThanMs: 1, onlyMine: 0 as Anything }),
      'onlyMine',
    ],
  ])('throws for a mistake, and sends nothing: %s', async (_, act, option) => {
    const error = await rejectionOf(ConfigurationError, (async () => act())());

    expect(error.option).toBe(option);
    expect(everythingShownOf(error)).not.toContain(KEY);
    expect(fetch).not.toHaveBeenCalled();
  });
});

describe('baseUrl', () => {
  const PASSWORD = 'hunter2-hunter2';
  const WRONG: [baseUrl: Anything, message: RegExp][] = [
    ['localhost:3786', /scheme/],
    ['localhost', /scheme/],
    ['chat.d.run', /scheme/],
    ['chat.d.run/v1', /scheme/],
    ['127.0.0.1:8080/v1', /scheme/],
    ['//chat.d.run', /valid URL/],
    ['', /valid URL/],
    ['https://', /valid URL/],
    [12, /string or a URL/],
    [{}, /string or a URL/],
    [['https://chat.d.run'], /string or a URL/],
    [() => 'https://chat.d.run', /string or a URL/],
    ['ftp://chat.d.run', /https/],
    ['http://chat.d.run', /allowInsecureHttp/],
    ['http://localhost.evil.example', /allowInsecureHttp/],
    [`https://user:${PASSWORD}@chat.d.run`, /user name or password/],
    ['https://chat.d.run?key=1', /query/],
    ['https://chat.d.run#a', /fragment/],
    ['https://chat.d.run/v1/chat/completions', /endpoint \/chat\/completions/],
    ['https://chat.d.run/v1/chat/completions/', /endpoint/],
    ['https://chat.d.run/v1/completions', /endpoint/],
    ['https://chat.d.run/v1/models', /endpoint/],
    ['https://chat.d.run/v1/Chat/Completions', /endpoint/],
    ['https://chat.d.run/v1/images/generations', /endpoint/],
    ['https://console.d.run/apis/hydra.io/v1alpha1/apikeys', /endpoint/],
    ['https://console.d.run/apis/hydra.io/v1alpha1/apikeys/key-1', /endpoint/],
    ['https://console.d.run/apis/hydra.io/v1alpha1/masked-apikeys', /endpoint/],
    ['https://console.d.run/apis/hydra.io/v1alpha1/workspaces/12/apikeys', /endpoint/],
    ['https://console.d.run/apis/hydra.io/v1alpha1/apikeys-stats', /endpoint/],
  ];

  it.each(
    Object.keys(clients).flatMap((name) =>
      WRONG.map(([baseUrl, message]) => [name, baseUrl, message] as const),
    ),
  )('of %s is rejected: %j', (name, baseUrl, message) => {
    const error = thrownBy(ConfigurationError, () => clients[name]?.({ baseUrl }));

    expect(error.option).toBe('baseUrl');
    expect(error.message).toMatch(message);
    expect(everythingShownOf(error)).not.toContain(PASSWORD);
  });

  it.each<[string, string, string]>([
    ['ChatClient', 'https://chat.d.run', 'https://chat.d.run/v1/models'],
    ['ChatClient', 'https://chat.d.run/v1', 'https://chat.d.run/v1/models'],
    ['ChatClient', 'https://chat.d.run/v1/', 'https://chat.d.run/v1/models'],
    ['ChatClient', 'https://proxy.example/drun/', 'https://proxy.example/drun/v1/models'],
    ['ChatClient', 'http://localhost:3786', 'http://localhost:3786/v1/models'],
    ['ChatClient', 'http://[::1]:80', 'http://[::1]/v1/models'],
    [
      'ApiKeys',
      'https://console.d.run',
      'https://console.d.run/apis/hydra.io/v1alpha1/apikeys/check-creation',
    ],
    [
      'ApiKeys',
      'https://console.d.run/apis/hydra.io/v1alpha1',
      'https://console.d.run/apis/hydra.io/v1alpha1/apikeys/check-creation',
    ],
    ['ApiKeys', 'http://127.1.2.3/x', 'http://127.1.2.3/x/apis/hydra.io/v1alpha1/apikeys/check-creation'],
  ])('of %s may be %s', async (name, baseUrl, expected) => {
    const urls: string[] = [];
    const fetch = async (url: string): Promise<Response> => {
      urls.push(url);
      return json({ data: [], allowed: true });
    };

    if (name === 'ChatClient') await new ChatClient({ apiKey: KEY, baseUrl, fetch }).models();
    else await new ApiKeys({ accessToken: TOKEN, baseUrl, fetch }).canCreate();

    expect(urls).toEqual([expected]);
  });

  it.each(Object.keys(clients))('of %s may be http for any host with allowInsecureHttp', (name) => {
    expect(() => clients[name]?.({ baseUrl: 'http://10.0.0.1:8000', allowInsecureHttp: true })).not.toThrow();
  });

  it.each([
    ['ChatClient', 'DRUN_CHAT_URL'],
    ['ApiKeys', 'DRUN_CONSOLE_URL'],
    ['WorkspaceApiKeys', 'DRUN_CONSOLE_URL'],
  ])('of %s is read from %s and validated', (name, variable) => {
    vi.stubEnv(variable, 'http://elsewhere.example');

    const error = thrownBy(ConfigurationError, () => clients[name]?.({}));

    expect(error.message).toContain(variable);
    expect(() => clients[name]?.({ baseUrl: 'https://chat.d.run' })).not.toThrow();
  });

  it('cannot be combined with region, which takes precedence over the environment', async () => {
    vi.stubEnv('DRUN_CHAT_URL', 'https://elsewhere.example');
    const urls: string[] = [];
    const fetch = async (url: string): Promise<Response> => {
      urls.push(url);
      return json({ data: [] });
    };

    expect(() => new ChatClient({ apiKey: KEY, baseUrl: 'https://chat.d.run', region: 'sh-02' })).toThrow(
      ConfigurationError,
    );
    await new ChatClient({ apiKey: KEY, region: 'sh-02', fetch }).models();
    await new ChatClient({ apiKey: KEY, fetch }).models();

    expect(urls).toEqual(['https://sh-02.d.run/v1/models', 'https://elsewhere.example/v1/models']);
  });
});

describe('a credential in the wrong place', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['an API key for ApiKeys', () => new ApiKeys({ accessToken: KEY }), /looks like an API key/],
    [
      'an API key for WorkspaceApiKeys',
      () => new WorkspaceApiKeys({ accessToken: KEY, workspace: 1 }),
      /looks like an API key/,
    ],
    [
      'an API key from a provider',
      () => new ApiKeys({ accessToken: () => KEY }).canCreate(),
      /looks like an API key/,
    ],
    ['a key with its scheme', () => new ChatClient({ apiKey: `Bearer ${KEY}` }), /without "Bearer"/],
    ['only a scheme', () => new ChatClient({ apiKey: 'Bearer' }), /without "Bearer"/],
    ['a key in quotation marks', () => new ChatClient({ apiKey: `"${KEY}"` }), /quoted/],
    ['a token in quotation marks', () => new ApiKeys({ accessToken: `'${TOKEN}'` }), /quoted/],
    ['a masked key', () => new ChatClient({ apiKey: 'sk-******7ucU' }), /masked/],
    ['a key instead of options', () => new ChatClient(KEY as Anything), /such as `\{ apiKey \}`/],
    ['a token instead of options', () => new ApiKeys(TOKEN as Anything), /such as `\{ accessToken \}`/],
    ['a token with its scheme', () => new ApiKeys({ accessToken: `bearer ${TOKEN}` }), /without "Bearer"/],
  ])('is explained: %s', async (_, act, message) => {
    const error = await rejectionOf(ConfigurationError, (async () => act())());

    expect(error.message).toMatch(message);
    expect(everythingShownOf(error)).not.toContain(KEY);
  });

  it.each([
    ['ChatClient', 'apiKey', 'DRUN_API_KEY', () => new ChatClient()],
    ['ApiKeys', 'accessToken', 'DRUN_ACCESS_TOKEN', () => new ApiKeys()],
  ] as const)('is missing: the error of %s names %s and %s', (_, option, variable, create) => {
    for (const value of [undefined, '', ' \n']) {
      vi.stubEnv(variable, value);

      const error = thrownBy(ConfigurationError, create);

      expect(error.option).toBe(option);
      expect(error.message).toContain(`is missing. Pass it, or set ${variable}`);
    }
  });
});

describe('withOptions()', () => {
  const sent: [url: string, authorization: string | null, agent: string | null][] = [];
  const fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const headers = new Headers(init.headers);
    sent.push([new URL(url).origin, headers.get('authorization'), headers.get('x-agent')]);
    return json({ data: [], allowed: true });
  };
  const chat = new ChatClient({ apiKey: KEY, fetch, headers: { 'x-agent': 'a' } });
  const keys = new ApiKeys({ accessToken: TOKEN, fetch, headers: { 'x-agent': 'a' } });

  it('overrides the given options and shares the others', async () => {
    sent.length = 0;
    await chat.withOptions({ maxRetries: 0 }).models();
    await chat.withOptions({ headers: { 'x-agent': 'b' } }).models();
    await chat.withOptions({ region: 'sh-02', apiKey: 'sk-other-0123456789abcdef' }).models();
    await chat.models();
    await keys.withOptions({ headers: { 'x-agent': 'b' } }).canCreate();

    expect(sent).toEqual([
      ['https://chat.d.run', `Bearer ${KEY}`, 'a'],
      ['https://chat.d.run', `Bearer ${KEY}`, 'b'],
      ['https://sh-02.d.run', 'Bearer sk-other-0123456789abcdef', 'a'],
      ['https://chat.d.run', `Bearer ${KEY}`, 'a'],
      ['https://console.d.run', `Bearer ${TOKEN}`, 'b'],
    ]);
  });

  it.each<[string, () => unknown, string]>([
    ['another base URL', () => chat.withOptions({ baseUrl: 'https://evil.example' }), 'apiKey'],
    ['another port', () => chat.withOptions({ baseUrl: 'https://chat.d.run:444' }), 'apiKey'],
    ['a region', () => chat.withOptions({ region: 'sh-02' }), 'apiKey'],
    ['another console', () => keys.withOptions({ baseUrl: 'https://evil.example' }), 'accessToken'],
    ['an unknown option', () => chat.withOptions({ baseURL: 'https://evil.example' } as Anything), 'baseURL'],
    ['no options', () => keys.withOptions(undefined as Anything), 'options'],
    ['a function', () => keys.withOptions((() => {}) as Anything), 'options'],
    ['a string', () => chat.withOptions('https://evil.example' as Anything), 'options'],
    ['an unknown option of ApiKeys', () => keys.withOptions({ timeout: 5 } as Anything), 'timeout'],
  ])('never sends the current credential to another origin: %s', (_, act, option) => {
    expect(thrownBy(ConfigurationError, act).option).toBe(option);
  });

  it('returns a client of the same class', () => {
    class TracedChatClient extends ChatClient {}
    class TracedApiKeys extends ApiKeys {}
    class TracedWorkspaceApiKeys extends WorkspaceApiKeys {}
    const workspaceKeys = new TracedWorkspaceApiKeys({ accessToken: TOKEN, workspace: 12 });

    expect(new TracedChatClient({ apiKey: KEY }).withOptions({})).toBeInstanceOf(TracedChatClient);
    expect(new TracedApiKeys({ accessToken: TOKEN }).withOptions({})).toBeInstanceOf(TracedApiKeys);
    expect(workspaceKeys.withOptions({})).toBeInstanceOf(TracedWorkspaceApiKeys);
  });

  it('allows another path of the same origin', () => {
    expect(() => chat.withOptions({ baseUrl: 'https://chat.d.run/v1' })).not.toThrow();
  });
});
