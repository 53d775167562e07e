import type { Emulator, EmulatorOptions } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { TRANSPORTS } from './transports.ts';
import { CHAT, CONSOLE, CONTROL } from './wire.ts';

/* Tests the wire format of the contract with plain `fetch`, without the clients of this package. */

interface Service {
  readonly drun: Emulator;
  /** Sends a request to the control plane with an access token. */
  readonly control: (method: string, path: string, body?: unknown, headers?: object) => Promise<Response>;
  /** Sends a request to the data plane with a key. */
  readonly data: (method: string, path: string, key: string | undefined, body?: unknown) => Promise<Response>;
  /** Creates a key. */
  readonly key: (fields?: object, scope?: string) => Promise<{ id: string; key: string }>;
}

const question = { model: 'public/deepseek-r1', messages: [{ role: 'user', content: 'Hello, model!' }] };
const SPACE = '/workspaces/7';

describe.each(TRANSPORTS)('the contract, $name:', ({ open }) => {
  async function service(options?: EmulatorOptions): Promise<Service> {
    const { drun, consoleUrl = CONSOLE, chatUrl = CHAT, fetch = globalThis.fetch } = await open(options);
    const send = (
      url: string,
      method: string,
      credential: string | undefined,
      body: unknown,
      headers: object = {},
    ): Promise<Response> =>
      fetch(url, {
        method,
        headers: {
          ...(credential !== undefined && { authorization: `Bearer ${credential}` }),
          'content-type': 'application/json',
          ...headers,
        },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
    const token = drun.accessToken.reveal();
    const control: Service['control'] = (method, path, body, headers) =>
      send(consoleUrl + CONTROL + path, method, token, body, headers);
    return {
      drun,
      control,
      data: (method, path, key, body) => send(chatUrl + path, method, key, body),
      key: async (fields, scope = '') => {
        const response = await control('POST', `${scope}/apikeys`, { name: 'contract', ...fields });
        expect(response.status).toBe(200);
        return (await response.json()) as { id: string; key: string };
      },
    };
  }

  const bodyOf = async (response: Promise<Response>): Promise<unknown> => (await response).json();

  describe('the control plane', () => {
    it.each(['', SPACE])('creates, lists, returns and deletes keys under "%s"', async (scope) => {
      const { control, key } = await service();
      const { id, key: fullKey } = await key({}, scope);
      expect(fullKey).toMatch(/^sk-[\w-]{45}$/);
      for (const path of ['/apikeys', '/masked-apikeys']) {
        expect(await bodyOf(control('GET', scope + path))).toMatchObject({
          items: [{ id, name: 'contract', key: `sk-******${fullKey.slice(-4)}` }],
          page: { page: 1, total: 1 },
        });
      }
      expect(await bodyOf(control('GET', `${scope}/apikeys/${id}/secret`))).toEqual({ id, key: fullKey });
      const deleted = await control('DELETE', `${scope}/apikeys/${id}`, {});
      expect(await deleted.json()).toMatchObject({ id, key: `sk-******${fullKey.slice(-4)}` });
      const again = await control('DELETE', `${scope}/apikeys/${id}`, {});
      expect(again.status).toBe(404);
      expect(await again.json()).toEqual({ id: expect.any(String), message: expect.any(String) });
    });

    it('paginates, searches and sorts', async () => {
      const { control, key } = await service({ maxKeys: 30 });
      for (let number = 10; number < 22; number++) await key({ name: `key ${number}` });
      const listNames = async (query: string): Promise<string[]> => {
        const { items = [] } = (await bodyOf(control('GET', `/masked-apikeys?${query}`))) as {
          items?: { name: string }[];
        };
        return items.map(({ name }) => name);
      };
      expect(await listNames('page.page=0&page.pageSize=0')).toHaveLength(10);
      expect(await listNames('page.page=2')).toHaveLength(2);
      expect(await listNames('page.pageSize=-1')).toHaveLength(12);
      expect(await listNames('page.search=KEY%201&page.sort=name&page.pageSize=3')).toEqual([
        'key 10',
        'key 11',
        'key 12',
      ]);
      expect((await control('GET', '/masked-apikeys?page.pageSize=ten')).status).toBe(400);
    });

    it('omits zero values, and formats times as RFC 3339 and 64-bit integers as strings', async () => {
      const { control, data, key } = await service();
      const { id, key: fullKey } = await key(
        { expireTime: '2127-01-01T08:00:00+08:00', quota: '1000' },
        SPACE,
      );
      await data('POST', '/v1/chat/completions', fullKey, question);
      const { items } = (await bodyOf(control('GET', `${SPACE}/my-apikeys`))) as { items: object[] };
      const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
      expect(items).toEqual([
        {
          id,
          name: 'contract',
          key: expect.any(String),
          creationTimestamp: time,
          expireTime: '2127-01-01T00:00:00Z',
          lastUsedTime: time,
          createBy: expect.any(String),
          userId: expect.any(String),
          workspace: 7,
          quota: '1000',
          usedQuota: '8',
          remainingQuota: '992',
          remainingQuotaSyncedAt: time,
        },
      ]);
    });

    it('reports whether another key may be created, and why not, in both languages', async () => {
      const { control, key } = await service({ maxKeys: 1 });
      expect(await bodyOf(control('POST', '/apikeys/check-creation', {}))).toEqual({ allowed: true });
      await key();
      const rejected = await control('POST', '/apikeys', { name: 'second' });
      expect(rejected.status).toBeGreaterThanOrEqual(400);
      const check = (language: string): Promise<unknown> =>
        bodyOf(control('POST', '/apikeys/check-creation', {}, { 'accept-language': language }));
      expect(await check('en')).toEqual({ allowed: false, reason: expect.stringMatching(/^[ -~]+$/) });
      expect(await check('zh-CN')).toEqual({
        allowed: false,
        reason: expect.stringMatching(/\p{Script=Han}/u),
      });
    });

    it('disables, enables and limits keys in workspaces', async () => {
      const { control, data, key } = await service();
      const { id, key: fullKey } = await key({}, SPACE);
      const status = async (): Promise<number> =>
        (await data('POST', '/v1/chat/completions', fullKey, question)).status;
      const put = (path: string, body: object): Promise<Response> =>
        control('PUT', `${SPACE}/apikeys/${id}/${path}`, body);
      expect((await put('status', { disabled: true })).status).toBe(200);
      expect(await status()).toBe(401);
      await put('status', { disabled: false });
      expect(await status()).toBe(200);
      expect(await bodyOf(put('quota', { quota: '8', unlimitedQuota: false }))).toMatchObject({ quota: '8' });
      expect(await status()).toBe(402);
      await put('quota', { unlimitedQuota: true });
      expect(await status()).toBe(200);
      expect((await control('PUT', `/apikeys/${id}/status`, { disabled: true })).status).toBe(404);
    });

    it('reports usage for POST and GET', async () => {
      const { control, data, key } = await service();
      const { id, key: fullKey } = await key();
      await data('POST', '/v1/chat/completions', fullKey, question);
      const expected = {
        totalUsage: { input: '4', output: '4', total: '8' },
        dataPoints: [{ model: 'public/deepseek-r1', timestamp: expect.any(String), usage: { total: '8' } }],
      };
      const period = 'TIME_PERIOD_MONTH';
      expect(await bodyOf(control('POST', '/apikeys-stats', { ids: [id], period }))).toMatchObject(expected);
      expect(await bodyOf(control('GET', `/apikeys-stats?ids=${id}&period=${period}`))).toMatchObject(
        expected,
      );
      expect(await bodyOf(control('POST', `${SPACE}/apikeys-stats`, {}))).toEqual({ totalUsage: {} });
    });

    it.each<[string, string, unknown, number]>([
      ['POST', '/apikeys', undefined, 400],
      ['POST', '/apikeys', '{"name":', 400],
      ['POST', '/apikeys', {}, 400],
      ['POST', '/apikeys', { name: 7 }, 400],
      ['POST', '/apikeys', { name: 'a', expireTime: 'tomorrow' }, 400],
      ['POST', `${SPACE}/apikeys`, { name: 'a', quota: 7 }, 400],
      ['POST', '/workspaces/seven/apikeys', { name: 'a' }, 400],
      ['POST', '/apikeys/check-creation', undefined, 400],
      ['DELETE', '/apikeys/some-id', undefined, 400],
      ['POST', '/apikeys-stats', { period: 'daily' }, 400],
      ['PUT', `${SPACE}/apikeys/some-id/status`, { disabled: 'yes' }, 400],
      ['GET', '/nothing', undefined, 404],
      ['GET', '/apikeys/', undefined, 404],
      ['GET', `${SPACE}/check-creation`, undefined, 404],
      ['PATCH', '/apikeys', {}, 404],
    ])('rejects %s %s with %o: %d', async (method, path, body, status) => {
      const { drun, control } = await service();
      expect((await control(method, path, body)).status).toBe(status);
      expect([...drun.keys]).toEqual([]);
    });

    it('rejects requests without a valid access token or API key', async () => {
      const { control, key } = await service();
      const { key: fullKey } = await key();
      for (const authorization of ['', 'Basic dXNlcg==', `Bearer ${fullKey}`]) {
        const response = await control('GET', '/apikeys', undefined, { authorization });
        expect(response.status).toBe(401);
        expect(await response.json()).toEqual({ id: expect.any(String), message: expect.any(String) });
      }
    });

    it.each(['0.15', '0.16'] as const)(
      'in version %s lists full keys and has fewer paths',
      async (version) => {
        const { control, key } = await service({ version });
        const { id, key: fullKey } = await key();
        expect(await bodyOf(control('GET', '/apikeys'))).toMatchObject({ items: [{ id, key: fullKey }] });
        expect((await control('GET', '/masked-apikeys')).status).toBe(404);
        expect((await control('GET', `/apikeys/${id}/secret`)).status).toBe(404);
      },
    );
  });

  describe('the data plane', () => {
    it('returns a completion', async () => {
      const { data, key } = await service();
      const { key: fullKey } = await key();
      const response = await data('POST', '/v1/chat/completions', fullKey, question);
      expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
      expect(response.headers.get('date')).toMatch(/GMT$/);
      expect(await response.json()).toMatchObject({
        object: 'chat.completion',
        model: 'public/deepseek-r1',
        choices: [
          { index: 0, message: { role: 'assistant', content: 'Hello, model!' }, finish_reason: 'stop' },
        ],
        usage: { prompt_tokens: 4, completion_tokens: 4, total_tokens: 8 },
      });
    });

    it('streams events, with usage before [DONE]', async () => {
      const { data, key } = await service();
      const { key: fullKey } = await key();
      const response = await data('POST', '/v1/chat/completions', fullKey, { ...question, stream: true });
      expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
      const text = await response.text();
      expect(text).toMatch(/\n\ndata: \[DONE\]\n\n$/);
      const chunks = text
        .split('\n\n')
        .slice(0, -2)
        .map((event) => JSON.parse(event.replace(/^data: /, '')));
      expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe('Hello, model!');
      expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 8 } });
    });

    it('lists the models of a key, and checks requests in the documented order', async () => {
      const { drun, data } = await service({ models: ['a', 'b/c', 'b/d'] });
      const { secret } = drun.keys.create({ name: 'narrow', allowModels: ['b/*'], denyModels: ['b/d'] });
      const fullKey = secret.reveal();
      expect(await bodyOf(data('GET', '/v1/models', fullKey))).toMatchObject({
        data: [{ id: 'b/c', object: 'model' }],
      });
      const sendChat = async (key: string | undefined, body: unknown): Promise<[number, string | null]> => {
        const response = await data('POST', '/v1/chat/completions', key, body);
        const { error } = (await response.json()) as { error: { code: string | null } };
        return [response.status, error.code];
      };
      expect(await sendChat(undefined, 'no JSON')).toEqual([401, null]);
      expect(await sendChat('sk-unknown', 'no JSON')).toEqual([401, 'invalid_api_key']);
      expect(await sendChat(fullKey, 'no JSON')).toEqual([400, null]);
      expect(await sendChat(fullKey, { messages: [] })).toEqual([400, null]);
      expect(await sendChat(fullKey, { model: 'b/d' })).toEqual([403, 'model_access_denied']);
      expect(await sendChat(fullKey, { model: 'a' })).toEqual([404, 'model_not_found']);
      expect(await sendChat(fullKey, { model: 'b/c' })).toEqual([400, '400']);
    });

    it('includes a rejected key in plain text in the message', async () => {
      const { control, data, key } = await service();
      const { id, key: fullKey } = await key();
      await control('DELETE', `/apikeys/${id}`, {});
      const response = await data('GET', '/v1/models', fullKey);
      expect(response.status).toBe(401);
      expect(await response.json()).toEqual({
        error: {
          code: 'invalid_api_key',
          message: `Incorrect API key provided: ${fullKey}`,
          param: null,
          type: 'invalid_request_error',
        },
      });
    });

    it('ends a stream whose model fails with `data: null`', async () => {
      const { data, key } = await service({
        async *reply() {
          yield 'Once upon ';
          throw new Error('out of memory');
        },
      });
      const { key: fullKey } = await key();
      const response = await data('POST', '/v1/chat/completions', fullKey, { ...question, stream: true });
      const text = await response.text();
      expect(text).toContain('Once upon ');
      expect(text.endsWith('data: null\n\n')).toBe(true);
    });

    it('responds with 404 to other paths', async () => {
      const { data, key } = await service();
      const { key: fullKey } = await key();
      for (const [method, path] of [
        ['POST', '/v1/embeddings'],
        ['POST', '/v1/responses'],
      ] as const) {
        expect((await data(method, path, fullKey)).status).toBe(404);
      }
    });
  });
});
