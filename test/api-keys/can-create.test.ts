import { AuthenticationError, ServerError } from 'drun-sdk';
import { describe, expect, test } from 'vitest';
import { KEY, TOKEN } from '../support/credentials.ts';
import { rejectionOf } from '../support/failures.ts';
import { json, mockNetwork } from '../support/network.ts';
import { retryAtOnce } from '../support/timing.ts';
import { API, apiKeys } from './requests.ts';

const network = mockNetwork();
const CHECK = `${API}/apikeys/check-creation`;

describe('canCreate', () => {
  test('posts an empty object as JSON', async () => {
    const seen = network.answer('post', CHECK, json({ allowed: true }));

    await apiKeys({ language: 'zh' }).canCreate();

    expect(seen).toHaveLength(1);
    expect(seen[0]?.text).toBe('{}');
    expect(seen[0]?.headers.get('content-type')).toBe('application/json');
    expect(seen[0]?.headers.get('authorization')).toBe(`Bearer ${TOKEN}`);
    expect(seen[0]?.headers.get('accept-language')).toBe('zh');
  });

  test.each([
    ['a plain yes', { allowed: true }, { allowed: true }],
    ['a yes with an empty reason', { allowed: true, reason: '' }, { allowed: true }],
    ['a yes with a null reason', { allowed: true, reason: null }, { allowed: true }],
    [
      'a no with its reason',
      { allowed: false, reason: '最多 5 个' },
      { allowed: false, reason: '最多 5 个' },
    ],
    ['a no that protobuf left out', { reason: 'at most 5' }, { allowed: false, reason: 'at most 5' }],
    ['a no that is null', { allowed: null }, { allowed: false }],
    ['nothing', {}, { allowed: false }],
    ['a yes with fields nobody knows', { allowed: true, left: 2 }, { allowed: true }],
  ])('reads %s', async (_, body, check) => {
    network.answer('post', CHECK, json(body));

    expect(await apiKeys().canCreate()).toEqual(check);
  });

  test('shows no key that the reason repeats', async () => {
    network.answer('post', CHECK, json({ reason: `${KEY} and ${TOKEN}` }));

    const { reason } = await apiKeys().canCreate();

    expect(reason).not.toContain(KEY);
    expect(reason).not.toContain(TOKEN);
  });

  test('may be repeated', async () => {
    retryAtOnce();
    const seen = network.answer('post', CHECK, json({}, 503), json({ allowed: true }));

    expect(await apiKeys().canCreate()).toEqual({ allowed: true });
    expect(seen).toHaveLength(2);
  });

  test.each([
    [401, AuthenticationError],
    [500, ServerError],
  ] as const)('throws the error of a %i', async (status, type) => {
    network.answer('post', CHECK, json({ id: 'x', message: 'y' }, status));

    await rejectionOf(type, apiKeys({ maxRetries: 0 }).canCreate());
  });
});
