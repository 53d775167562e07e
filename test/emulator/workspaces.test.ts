import { createEmulator } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { chat, control, createKey, type WireKey, type WireList } from './wire.ts';

const SPACE = '/workspaces/12';
const MASKED = /^sk-\*{6}[\w-]{4}$/;

const names = ({ items = [] }: WireList): string[] => items.map(({ name }) => name);

describe('a key of a workspace', () => {
  it('is returned in full, with its workspace, its creator and an unlimited quota', async () => {
    const drun = createEmulator({ now: () => Date.UTC(2026, 0, 1) });
    const { status, body } = await control<WireKey>(drun, 'POST', `${SPACE}/apikeys`, { name: 'team' });
    expect(status).toBe(200);
    expect(body).toEqual({
      id: expect.stringMatching(/^\w{16}$/),
      name: 'team',
      key: expect.stringMatching(/^sk-[\w-]{45}$/),
      creationTimestamp: '2026-01-01T00:00:00Z',
      createBy: 'owner',
      userId: 'u-8105f7322477',
      workspace: 12,
      unlimitedQuota: true,
      remainingQuotaSyncedAt: '2026-01-01T00:00:00Z',
    });
  });

  it('accepts a quota as a string, and an expiry', async () => {
    const drun = createEmulator();
    const { body } = await control<WireKey>(drun, 'POST', `${SPACE}/apikeys`, {
      name: 'team',
      quota: '9223372036854775807',
      expireTime: '2127-01-01T00:00:00Z',
    });
    expect(body).toMatchObject({
      quota: '9223372036854775807',
      remainingQuota: '9223372036854775807',
      expireTime: '2127-01-01T00:00:00Z',
    });
    expect(body).not.toHaveProperty('unlimitedQuota');
    expect(body).not.toHaveProperty('usedQuota');
  });

  it.each([
    ['a number', 5],
    ['negative', '-1'],
    ['a fraction', '1.5'],
    ['wider than 64 bits', '9223372036854775808'],
    ['not a number', 'many'],
  ])('is rejected with a quota that is %s', async (_, quota) => {
    const drun = createEmulator();
    const { status, body } = await control(drun, 'POST', `${SPACE}/apikeys`, { name: 'team', quota });
    expect(status).toBe(400);
    expect(body).toMatchObject({ message: 'The field quota is not valid' });
  });

  it('is rejected with a flag that is not a boolean', async () => {
    const drun = createEmulator();
    const body = { name: 'team', unlimitedQuota: 'true' };
    expect((await control(drun, 'POST', `${SPACE}/apikeys`, body)).status).toBe(400);
  });

  it.each(['0', '-1', '1.5', 'team', '2147483648', ''])(
    'is rejected in workspace "%s"',
    async (workspace) => {
      const drun = createEmulator();
      const { status } = await control(drun, 'POST', `/workspaces/${workspace}/apikeys`, { name: 'team' });
      expect(status).toBeGreaterThanOrEqual(400);
      expect([...drun.keys]).toEqual([]);
    },
  );

  it('can call models', async () => {
    const drun = createEmulator();
    const { key } = await createKey(drun, {}, SPACE);
    expect((await chat(drun, key)).status).toBe(200);
  });
});

describe('keys of the account and of workspaces', () => {
  it('are listed separately', async () => {
    const drun = createEmulator();
    await createKey(drun, { name: 'account' });
    await createKey(drun, { name: 'twelve' }, SPACE);
    await createKey(drun, { name: 'thirteen' }, '/workspaces/13');
    for (const path of ['/apikeys', '/masked-apikeys']) {
      expect(names((await control<WireList>(drun, 'GET', path)).body)).toEqual(['account']);
      expect(names((await control<WireList>(drun, 'GET', SPACE + path)).body)).toEqual(['twelve']);
    }
  });

  it('exist only in their own scope', async () => {
    const drun = createEmulator();
    const { id: mine } = await createKey(drun);
    const { id: theirs } = await createKey(drun, {}, SPACE);
    for (const path of [
      `/apikeys/${theirs}`,
      `${SPACE}/apikeys/${mine}`,
      `/workspaces/13/apikeys/${theirs}`,
    ]) {
      expect((await control(drun, 'DELETE', path, {})).status).toBe(404);
      expect((await control(drun, 'GET', `${path}/secret`)).status).toBe(404);
    }
    expect((await control(drun, 'PUT', `${SPACE}/apikeys/${mine}/status`, { disabled: true })).status).toBe(
      404,
    );
    expect((await control(drun, 'PUT', `${SPACE}/apikeys/${mine}/quota`, {})).status).toBe(404);
    expect([...drun.keys]).toHaveLength(2);
  });

  it('have separate limits', async () => {
    const drun = createEmulator({ maxKeys: 1 });
    for (const prefix of ['', SPACE, '/workspaces/13']) {
      await createKey(drun, {}, prefix);
      expect((await control(drun, 'POST', `${prefix}/apikeys`, { name: 'one too many' })).status).toBe(400);
    }
  });

  it('can be deleted and retrieved in both', async () => {
    const drun = createEmulator();
    const { id, key } = await createKey(drun, {}, SPACE);
    const shown = await control(drun, 'GET', `${SPACE}/apikeys/${id}/secret`);
    expect(shown.body).toEqual({ id, key });
    const deleted = await control<WireKey>(drun, 'DELETE', `${SPACE}/apikeys/${id}`, {});
    expect(deleted.body).toMatchObject({ id, key: expect.stringMatching(MASKED), workspace: 12 });
    expect((await chat(drun, key)).status).toBe(401);
  });
});

describe("a user's own keys", () => {
  it('are those that the user created in the workspace', async () => {
    const drun = createEmulator({ keys: [{ name: 'of alice', workspace: 12, user: 'alice' }] });
    await createKey(drun, { name: 'of the owner' }, SPACE);
    const path = `${SPACE}/my-apikeys`;
    expect(names((await control<WireList>(drun, 'GET', path)).body)).toEqual(['of the owner']);
    const all = await control<WireList>(drun, 'GET', `${SPACE}/apikeys`);
    expect(names(all.body)).toEqual(['of the owner', 'of alice']);
    expect(all.body.items?.[1]).toMatchObject({ createBy: 'alice', userId: expect.stringMatching(/^u-/) });
  });

  it('are paginated, sorted and searched like other keys', async () => {
    const drun = createEmulator({ maxKeys: 12 });
    for (let count = 1; count <= 12; count++) await createKey(drun, { name: `key ${count}` }, SPACE);
    const path = `${SPACE}/my-apikeys?page.pageSize=5&page.page=3&page.search=key&page.sort=name`;
    const { body } = await control<WireList>(drun, 'GET', path);
    expect(names(body)).toEqual(['key 8', 'key 9']);
    expect(body.page).toEqual({ page: 3, pageSize: 5, total: 12, search: 'key', sort: 'name' });
  });

  it('require a valid access token', async () => {
    const drun = createEmulator();
    const authorization = `Bearer ${createEmulator().accessToken.reveal()}`;
    expect((await control(drun, 'GET', `${SPACE}/my-apikeys`, undefined, { authorization })).status).toBe(
      401,
    );
  });
});

describe('setStatus', () => {
  it('makes the data plane reject the key until it is enabled again', async () => {
    const drun = createEmulator();
    const { id, key } = await createKey(drun, {}, SPACE);
    const path = `${SPACE}/apikeys/${id}/status`;
    const disabled = await control<WireKey>(drun, 'PUT', path, { disabled: true });
    expect(disabled.body).toMatchObject({ id, disabled: true, key: expect.stringMatching(MASKED) });
    const rejected = await chat(drun, key);
    expect(rejected.status).toBe(401);
    expect(await rejected.json()).toMatchObject({ error: { code: 'invalid_api_key' } });
    const enabled = await control<WireKey>(drun, 'PUT', path, { disabled: false });
    expect(enabled.body).not.toHaveProperty('disabled');
    expect((await chat(drun, key)).status).toBe(200);
  });

  it.each([
    ['no body', undefined],
    ['a string instead of a boolean', { disabled: 'yes' }],
  ])('rejects %s', async (_, body) => {
    const drun = createEmulator();
    const { id } = await createKey(drun, {}, SPACE);
    expect((await control(drun, 'PUT', `${SPACE}/apikeys/${id}/status`, body)).status).toBe(400);
  });
});

describe("a key's quota", () => {
  it('decreases with use until the key is rejected with 402', async () => {
    let now = Date.UTC(2026, 0, 1);
    const drun = createEmulator({ now: () => now, reply: 'eight ch' });
    // Each call uses 4 tokens for "Hello, model!" and 2 for the reply.
    const { id, key } = await createKey(drun, { quota: '10' }, SPACE);
    now = Date.UTC(2026, 0, 2);
    expect((await chat(drun, key)).status).toBe(200);
    const { body } = await control<WireList>(drun, 'GET', `${SPACE}/apikeys`);
    expect(body.items?.[0]).toMatchObject({
      quota: '10',
      usedQuota: '6',
      remainingQuota: '4',
      remainingQuotaSyncedAt: '2026-01-02T00:00:00Z',
    });
    expect((await chat(drun, key)).status).toBe(200);
    const rejected = await chat(drun, key);
    expect(rejected.status).toBe(402);
    expect(await rejected.json()).toEqual({
      error: {
        code: 'insufficient_quota',
        type: 'insufficient_quota',
        message: expect.any(String),
        param: null,
      },
    });
    const after = await control<WireList>(drun, 'GET', `${SPACE}/apikeys`);
    expect(after.body.items?.[0]).toMatchObject({ id, usedQuota: '12' });
    expect(after.body.items?.[0]).not.toHaveProperty('remainingQuota');
  });

  it('can be raised and removed', async () => {
    const drun = createEmulator();
    const { id, key } = await createKey(drun, { quota: '1' }, SPACE);
    await chat(drun, key);
    const path = `${SPACE}/apikeys/${id}/quota`;
    const raised = await control<WireKey>(drun, 'PUT', path, { quota: '100', unlimitedQuota: false });
    expect(raised.body).toMatchObject({ quota: '100', usedQuota: '8', remainingQuota: '92' });
    expect((await chat(drun, key)).status).toBe(200);
    const lifted = await control<WireKey>(drun, 'PUT', path, { unlimitedQuota: true });
    expect(lifted.body).toMatchObject({ unlimitedQuota: true, usedQuota: '16' });
    expect(lifted.body).not.toHaveProperty('quota');
    expect(lifted.body).not.toHaveProperty('remainingQuota');
  });

  it('is zero if it is set without a value, because protobuf omits zero', async () => {
    const drun = createEmulator();
    const { id, key } = await createKey(drun, {}, SPACE);
    const { body } = await control<WireKey>(drun, 'PUT', `${SPACE}/apikeys/${id}/quota`, {});
    expect(body).not.toHaveProperty('unlimitedQuota');
    expect((await chat(drun, key)).status).toBe(402);
  });

  it('does not affect listing models, which uses no tokens', async () => {
    const drun = createEmulator();
    const { key } = await createKey(drun, { quota: '0' }, SPACE);
    const headers = { authorization: `Bearer ${key}` };
    expect((await drun.fetch('https://chat.d.run/v1/models', { headers })).status).toBe(200);
  });

  it.each([{ quota: 5 }, { quota: '-5' }, { unlimitedQuota: 1 }])('rejects %o', async (body) => {
    const drun = createEmulator();
    const { id } = await createKey(drun, {}, SPACE);
    expect((await control(drun, 'PUT', `${SPACE}/apikeys/${id}/quota`, body)).status).toBe(400);
  });
});

describe.each(['0.15', '0.16'] as const)('a workspace in version %s', (version) => {
  it('returns full keys in its lists, and has neither the masked nor the secret path', async () => {
    const drun = createEmulator({ version });
    const { id, key } = await createKey(drun, {}, SPACE);
    for (const path of ['/apikeys', '/my-apikeys']) {
      expect((await control<WireList>(drun, 'GET', SPACE + path)).body.items?.[0]?.key).toBe(key);
    }
    for (const path of ['/masked-apikeys', `/apikeys/${id}/secret`]) {
      expect((await control(drun, 'GET', SPACE + path)).status).toBe(404);
    }
  });
});
