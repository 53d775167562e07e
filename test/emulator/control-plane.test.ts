import { createEmulator } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { CONSOLE, CONTROL, chat, control, createKey, type WireKey, type WireList } from './wire.ts';

interface WireError {
  readonly id: string;
  readonly message: string;
}

const MASKED = /^sk-\*{6}[\w-]{4}$/;

describe('create', () => {
  it('returns the full key, an id and the creation time, and omits unset fields', async () => {
    const drun = createEmulator({ now: () => Date.UTC(2026, 10, 23, 9, 30, 15, 250) });
    const { status, body } = await control<WireKey>(drun, 'POST', '/apikeys', { name: 'checkout' });
    expect(status).toBe(200);
    expect(body).toEqual({
      id: expect.stringMatching(/^\w{16}$/),
      name: 'checkout',
      key: expect.stringMatching(/^sk-[\w-]{45}$/),
      creationTimestamp: '2026-11-23T09:30:15.250Z',
      createBy: 'owner',
      userId: 'u-8105f7322477',
    });
  });

  it('omits the fraction of a time that is a whole second', async () => {
    const drun = createEmulator({ now: () => Date.UTC(2026, 10, 23) });
    expect((await createKey(drun)).creationTimestamp).toBe('2026-11-23T00:00:00Z');
  });

  it('accepts an expiry with an offset and returns it in UTC', async () => {
    const drun = createEmulator({ now: () => Date.UTC(2026, 10, 23) });
    const key = await createKey(drun, { expireTime: '2027-01-01T08:00:00+08:00' });
    expect(key.expireTime).toBe('2027-01-01T00:00:00Z');
    expect(key).not.toHaveProperty('expired');
  });

  it('accepts nanoseconds, and null for no expiry', async () => {
    const drun = createEmulator();
    const key = await createKey(drun, { expireTime: '2127-01-01T00:00:00.123456789Z' });
    expect(key.expireTime).toBe('2127-01-01T00:00:00.123Z');
    expect(await createKey(drun, { expireTime: null })).not.toHaveProperty('expireTime');
  });

  it('accepts a duplicate name', async () => {
    const drun = createEmulator();
    const [first, second] = [await createKey(drun), await createKey(drun)];
    expect(first.name).toBe(second.name);
    expect(first.id).not.toBe(second.id);
  });

  it.each([
    ['no body', undefined],
    ['a body that is not JSON', '{name: checkout}'],
    ['an array', []],
    ['null', 'null'],
    ['no name', {}],
    ['an empty name', { name: '' }],
    ['a name that is a number', { name: 7 }],
    ['an expiry without a zone', { name: 'a', expireTime: '2027-01-01T00:00:00' }],
    ['an expiry without a time', { name: 'a', expireTime: '2027-01-01' }],
    ['an expiry without seconds', { name: 'a', expireTime: '2027-01-01T00:00Z' }],
    ['an expiry on a day that does not exist', { name: 'a', expireTime: '2027-02-30T00:00:00Z' }],
    ['an expiry in milliseconds', { name: 'a', expireTime: 1798761600000 }],
  ])('rejects %s', async (_, body) => {
    const drun = createEmulator();
    const response = await control<WireError>(drun, 'POST', '/apikeys', body);
    expect(response.status).toBe(400);
    expect(response.body).toEqual({ id: expect.any(String), message: expect.any(String) });
    expect([...drun.keys]).toEqual([]);
  });

  it('is rejected at the limit, and accepted again after a deletion', async () => {
    const drun = createEmulator({ maxKeys: 2 });
    const first = await createKey(drun);
    await createKey(drun);
    const rejected = await control<WireError>(drun, 'POST', '/apikeys', { name: 'one too many' });
    expect(rejected.status).toBe(400);
    expect(rejected.body).toEqual({ id: expect.any(String), message: expect.stringContaining('2') });
    await control(drun, 'DELETE', `/apikeys/${first.id}`, {});
    expect((await createKey(drun, { name: 'fits' })).name).toBe('fits');
  });

  it('has a default limit of five keys, which can be infinite', async () => {
    const five = createEmulator();
    for (let count = 0; count < 5; count++) await createKey(five);
    expect((await control(five, 'POST', '/apikeys', { name: 'six' })).status).toBe(400);
    const any = createEmulator({ maxKeys: Number.POSITIVE_INFINITY });
    for (let count = 0; count < 20; count++) await createKey(any);
    expect([...any.keys]).toHaveLength(20);
  });
});

describe('check-creation', () => {
  it('allows a key below the limit, without a reason', async () => {
    const drun = createEmulator({ maxKeys: 1 });
    const { status, body } = await control(drun, 'POST', '/apikeys/check-creation', {});
    expect(status).toBe(200);
    expect(body).toEqual({ allowed: true });
  });

  it('returns the reason at the limit in the requested language', async () => {
    const drun = createEmulator({ maxKeys: 0 });
    const english = await control(drun, 'POST', '/apikeys/check-creation', {});
    expect(english.body).toEqual({ allowed: false, reason: 'The limit of 0 API keys is reached' });
    const chinese = await control(
      drun,
      'POST',
      '/apikeys/check-creation',
      {},
      { 'accept-language': 'zh-CN' },
    );
    expect(chinese.body).toEqual({ allowed: false, reason: expect.stringMatching(/\p{Script=Han}/u) });
  });

  it('requires a JSON body', async () => {
    const drun = createEmulator();
    expect((await control(drun, 'POST', '/apikeys/check-creation')).status).toBe(400);
  });
});

describe('list', () => {
  it('masks keys on both paths', async () => {
    const drun = createEmulator();
    const created = await createKey(drun);
    for (const path of ['/apikeys', '/masked-apikeys']) {
      const { body } = await control<WireList>(drun, 'GET', path);
      expect(body.items).toEqual([{ ...created, key: expect.stringMatching(MASKED) }]);
      expect(body.items?.[0]?.key.slice(-4)).toBe(created.key.slice(-4));
    }
  });

  it('omits the zero values of an empty page', async () => {
    const drun = createEmulator();
    const { body } = await control(drun, 'GET', '/masked-apikeys');
    expect(body).toEqual({ page: { page: 1, pageSize: 10 } });
  });

  it('returns ten keys per page, newest first, and the total', async () => {
    let time = 0;
    const drun = createEmulator({ maxKeys: 20, now: () => time++ });
    for (let count = 1; count <= 12; count++) await createKey(drun, { name: `key ${count}` });
    const first = await control<WireList>(drun, 'GET', '/apikeys?page.page=0&page.pageSize=0');
    expect(first.body.items?.map(({ name }) => name)).toEqual(
      [12, 11, 10, 9, 8, 7, 6, 5, 4, 3].map((count) => `key ${count}`),
    );
    expect(first.body.page).toEqual({ page: 1, pageSize: 10, total: 12 });
    const second = await control<WireList>(drun, 'GET', '/apikeys?page.page=2');
    expect(second.body.items?.map(({ name }) => name)).toEqual(['key 2', 'key 1']);
    const third = await control<WireList>(drun, 'GET', '/apikeys?page.page=3');
    expect(third.body).toEqual({ page: { page: 3, pageSize: 10, total: 12 } });
  });

  it('lists the newest first even if the clock does not advance', async () => {
    const drun = createEmulator({ now: () => 0 });
    for (const name of ['first', 'second', 'third']) await createKey(drun, { name });
    const { body } = await control<WireList>(drun, 'GET', '/apikeys');
    expect(body.items?.map(({ name }) => name)).toEqual(['third', 'second', 'first']);
  });

  it('returns all keys on page 1 for a page size of -1', async () => {
    const drun = createEmulator({ maxKeys: 20 });
    for (let count = 1; count <= 12; count++) await createKey(drun);
    const all = await control<WireList>(drun, 'GET', '/apikeys?page.pageSize=-1');
    expect(all.body.items).toHaveLength(12);
    expect(all.body.page).toEqual({ page: 1, pageSize: -1, total: 12 });
    const more = await control<WireList>(drun, 'GET', '/apikeys?page.pageSize=-1&page.page=2');
    expect(more.body.items).toBeUndefined();
  });

  it('searches names, ids and keys case-insensitively', async () => {
    const drun = createEmulator();
    const checkout = await createKey(drun, { name: 'Checkout' });
    await createKey(drun, { name: 'search' });
    for (const text of ['check', checkout.id, checkout.key.slice(5, 20).toLowerCase()]) {
      const { body } = await control<WireList>(
        drun,
        'GET',
        `/apikeys?page.search=${encodeURIComponent(text)}`,
      );
      expect(body.items?.map(({ id }) => id)).toEqual([checkout.id]);
      expect(body.page).toMatchObject({ total: 1, search: text });
    }
  });

  it.each([
    ['name', ['a', 'b', 'c']],
    ['-name', ['c', 'b', 'a']],
    ['name desc', ['c', 'b', 'a']],
    ['creationTimestamp', ['b', 'c', 'a']],
    ['constructor', ['a', 'c', 'b']],
  ])('sorts by %s', async (sort, names) => {
    let time = 0;
    const drun = createEmulator({ now: () => time++ });
    for (const name of ['b', 'c', 'a']) await createKey(drun, { name });
    const { body } = await control<WireList>(drun, 'GET', `/apikeys?page.sort=${encodeURIComponent(sort)}`);
    expect(body.items?.map(({ name }) => name)).toEqual(names);
    expect(body.page.sort).toBe(sort);
  });

  it.each(['page.page=-1', 'page.page=one', 'page.pageSize=-2', 'page.pageSize=1.5', 'page.page=2147483648'])(
    'rejects %s',
    async (query) => {
      const drun = createEmulator();
      expect((await control(drun, 'GET', `/apikeys?${query}`)).status).toBe(400);
    },
  );

  it('reports expiry and last use', async () => {
    let now = Date.UTC(2026, 0, 1);
    const drun = createEmulator({ now: () => now });
    const { key } = await createKey(drun, { expireTime: '2026-01-02T00:00:00Z' });
    await chat(drun, key);
    now = Date.UTC(2026, 0, 3);
    const { body } = await control<WireList>(drun, 'GET', '/apikeys');
    expect(body.items?.[0]).toMatchObject({ expired: true, lastUsedTime: '2026-01-01T00:00:00Z' });
  });
});

describe('delete', () => {
  it('returns the deleted key, masked, and removes it from the list', async () => {
    const drun = createEmulator();
    const created = await createKey(drun);
    const { status, body } = await control<WireKey>(drun, 'DELETE', `/apikeys/${created.id}`, {});
    expect(status).toBe(200);
    expect(body).toEqual({ ...created, key: expect.stringMatching(MASKED) });
    expect((await control<WireList>(drun, 'GET', '/apikeys')).body.items).toBeUndefined();
  });

  it.each([
    ['no body', undefined],
    ['a body that is not an object', '[]'],
  ])('is rejected with %s, and the key remains', async (_, body) => {
    const drun = createEmulator();
    const created = await createKey(drun);
    expect((await control(drun, 'DELETE', `/apikeys/${created.id}`, body)).status).toBe(400);
    expect([...drun.keys]).toHaveLength(1);
  });

  it('returns 404 for an unknown id, and for a second deletion', async () => {
    const drun = createEmulator();
    const created = await createKey(drun);
    await control(drun, 'DELETE', `/apikeys/${created.id}`, {});
    for (const id of [created.id, 'unknown', '%E0%A4%A']) {
      const { status, body } = await control(drun, 'DELETE', `/apikeys/${id}`, {});
      expect(status).toBe(404);
      expect(body).toEqual({ id: expect.any(String), message: expect.any(String) });
    }
  });
});

describe('the secret endpoint', () => {
  it('returns id and key', async () => {
    const drun = createEmulator();
    const { id, key } = await createKey(drun);
    const { status, body } = await control(drun, 'GET', `/apikeys/${id}/secret`);
    expect(status).toBe(200);
    expect(body).toEqual({ id, key });
  });

  it('returns 404 for an unknown id', async () => {
    const drun = createEmulator();
    expect((await control(drun, 'GET', '/apikeys/unknown/secret')).status).toBe(404);
  });
});

describe.each(['0.15', '0.16'] as const)('version %s', (version) => {
  it('returns full keys in the plain list, and a masked key on deletion', async () => {
    const drun = createEmulator({ version });
    const created = await createKey(drun);
    const { body } = await control<WireList>(drun, 'GET', '/apikeys');
    expect(body.items).toEqual([created]);
    const deleted = await control<WireKey>(drun, 'DELETE', `/apikeys/${created.id}`, {});
    expect(deleted.body.key).toMatch(MASKED);
  });

  it('has neither the masked nor the secret path', async () => {
    const drun = createEmulator({ version });
    const { id } = await createKey(drun);
    for (const path of ['/masked-apikeys', `/apikeys/${id}/secret`]) {
      const { status, body } = await control(drun, 'GET', path);
      expect(status).toBe(404);
      expect(body).toBe('404 page not found\n');
    }
  });
});

describe('authentication on the control plane', () => {
  it.each([
    ['no header', undefined],
    ['another scheme', 'Basic dXNlcjpwYXNzd29yZA=='],
    ['no token', 'Bearer '],
    ['two tokens', 'Bearer one two'],
  ])('rejects %s', async (_, authorization) => {
    const drun = createEmulator();
    const response = await drun.fetch(`${CONSOLE}${CONTROL}/apikeys`, {
      headers: authorization === undefined ? {} : { authorization },
    });
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual({ id: expect.any(String), message: expect.any(String) });
  });

  it('includes a rejected token in the message', async () => {
    const drun = createEmulator({ accessToken: 'the-right-token' });
    const authorization = 'Bearer the-wrong-token-in-clear';
    const { status, body } = await control<WireError>(drun, 'GET', '/apikeys', undefined, { authorization });
    expect(status).toBe(401);
    expect(body.message).toContain('the-wrong-token-in-clear');
  });

  it('rejects an API key', async () => {
    const drun = createEmulator();
    const { key } = await createKey(drun);
    const authorization = `Bearer ${key}`;
    expect((await control(drun, 'GET', '/apikeys', undefined, { authorization })).status).toBe(401);
  });

  it('is checked before paths, methods and bodies', async () => {
    const drun = createEmulator();
    for (const [method, path] of [
      ['GET', '/nothing'],
      ['PATCH', '/apikeys'],
      ['POST', '/apikeys'],
    ] as const) {
      const { status } = await control(drun, method, path, undefined, { authorization: 'Bearer wrong' });
      expect(status).toBe(401);
    }
  });

  it('accepts the token of `accessToken`', async () => {
    const drun = createEmulator({ accessToken: 'a-token-of-mine' });
    expect(drun.accessToken.reveal()).toBe('a-token-of-mine');
    expect((await control(drun, 'GET', '/apikeys')).status).toBe(200);
  });
});

describe('an unknown request to the control plane', () => {
  it.each(['/nothing', '/apikeys/', '/apikeys/a/b', '/workspaces/1', '/workspaces/1/apikeys/a/b'])(
    'is rejected with 404: %s',
    async (path) => {
      const drun = createEmulator();
      const { status, body, headers } = await control(drun, 'GET', path);
      expect(status).toBe(404);
      expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
      expect(body).toBe('404 page not found\n');
    },
  );

  it.each([
    ['PATCH', '/apikeys'],
    ['GET', '/apikeys/some-id'],
    ['DELETE', '/apikeys/some-id/secret'],
    ['GET', '/workspaces/1/apikeys/a/status'],
  ])('rejects %s %s with 404 and logs why', async (method, path) => {
    const drun = createEmulator();
    expect((await control(drun, method, path)).status).toBe(404);
    expect([...drun.requests]).toMatchObject([{ status: 404, reason: expect.stringContaining('0.17') }]);
  });
});

describe('the language of a message', () => {
  it.each([
    ['zh', 'zh'],
    ['zh-CN,zh;q=0.9,en;q=0.8', 'zh'],
    ['en-GB, zh;q=0.5', 'en'],
    ['de, ZH', 'zh'],
    ['de, fr', 'en'],
  ])('for Accept-Language "%s" is %s', async (header, language) => {
    const drun = createEmulator();
    const { body } = await control<WireError>(drun, 'POST', '/apikeys', {}, { 'accept-language': header });
    expect(/\p{Script=Han}/u.test(body.message)).toBe(language === 'zh');
  });
});
