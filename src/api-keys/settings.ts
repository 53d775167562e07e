import type { Endpoint } from '../http/client.ts';
import { checkPathSegment } from '../http/url.ts';
import type { ApiKey } from './api-key.ts';
import { apiKeyFromWire } from './api-key-from-wire.ts';
import { decodeJson, KEY_FIELDS } from './control-plane.ts';
import { int64 } from './new-key.ts';
import { otherKeyError } from './other-key.ts';
import { apiKey } from './schema.ts';

/** Switches a key of a workspace on or off. */
export function statusOperation(id: string, disabled: boolean): Endpoint<ApiKey> {
  return updateOperation(id, 'status', { disabled });
}

/** Limits the tokens of a key of a workspace. */
export function quotaOperation(id: string, quota: number | 'unlimited'): Endpoint<ApiKey> {
  const body =
    quota === 'unlimited'
      ? { quota: '0', unlimitedQuota: true }
      : { quota: int64(quota), unlimitedQuota: false };
  return updateOperation(id, 'quota', body);
}

/** Both set what there is to a value, whatever it was: they may be repeated. */
function updateOperation(id: string, what: 'status' | 'quota', body: object): Endpoint<ApiKey> {
  return {
    method: 'PUT',
    path: `/apikeys/{id}/${what}`,
    params: { id: checkPathSegment(id, 'id') },
    body,
    retry: 'transient',
    decode: decodeJson({ fields: KEY_FIELDS }, apiKey, (wire, response, context) => {
      if (wire.id !== id) throw otherKeyError(response, context);
      return apiKeyFromWire(wire, 'workspace');
    }),
  };
}
