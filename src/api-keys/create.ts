import type { InvalidResponseError } from '../errors/index.ts';
import type { Endpoint } from '../http/client.ts';
import type { Secret } from '../secret/secret.ts';
import type { ApiKey } from './api-key.ts';
import { apiKeyFromWire } from './api-key-from-wire.ts';
import { decodeJson, KEY_FIELDS } from './control-plane.ts';
import type { KeyScope } from './key-scope.ts';
import type { NewKey } from './new-key.ts';
import { createdApiKey } from './schema.ts';
import { keylessError, wholeKeyIn } from './whole-key.ts';

/** A key that was made, and its secret, or the error for an answer without one. */
export type MadeKey = { readonly key: ApiKey } & (
  | { readonly secret: Secret; readonly error?: never }
  | { readonly secret?: never; readonly error: InvalidResponseError }
);

/** How to create a key, once: what to do where the outcome is not known is for those who carry it out. */
export function createOperation(newKey: NewKey, kind: KeyScope['kind']): Endpoint<MadeKey> {
  return {
    method: 'POST',
    path: '/apikeys',
    body: newKey,
    retry: 'if-not-applied',
    decode: decodeJson({ fields: KEY_FIELDS }, createdApiKey, (parsed, response, context): MadeKey => {
      const key = apiKeyFromWire(parsed, kind);
      const secret = wholeKeyIn(parsed);
      return secret ? { key, secret } : { key, error: keylessError(key.id, response, context) };
    }),
  };
}
