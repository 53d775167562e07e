import { ApiKeys, type ApiKeysOptions } from 'drun-sdk/api-keys';
import { TOKEN } from '../support/credentials.ts';

/** Where the contract has the control plane. */
export const API = 'https://console.d.run/apis/hydra.io/v1alpha1';

/** A client with an access token. */
export function apiKeys(options: ApiKeysOptions = {}): ApiKeys {
  return new ApiKeys({ accessToken: TOKEN, ...options });
}

/** An API key as the wire has it, every field filled. */
export function wireKey(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: 'key-1',
    name: 'checkout',
    key: 'sk-******7ucU',
    creationTimestamp: '2026-03-01T08:00:00Z',
    expireTime: '2027-01-01T00:00:00.000Z',
    expired: false,
    disabled: false,
    lastUsedTime: '2026-03-02T10:30:00.123456789+08:00',
    createBy: 'alice',
    userId: 'u-1',
    workspace: 12,
    allowModels: ['public/*'],
    denyModels: ['public/dear'],
    quota: '1000000',
    usedQuota: '12',
    remainingQuota: '999988',
    remainingQuotaSyncedAt: '2026-03-02T10:30:00Z',
    unlimitedQuota: false,
    ...fields,
  };
}
