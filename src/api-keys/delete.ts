import { NotFoundError } from '../errors/index.ts';
import type { Endpoint } from '../http/client.ts';
import { checkPathSegment } from '../http/url.ts';
import type { DeletedApiKey } from './api-key.ts';
import { apiKeyFromWire } from './api-key-from-wire.ts';
import { decodeJson, KEY_FIELDS } from './control-plane.ts';
import { otherKeyError } from './other-key.ts';
import { deletedApiKey } from './schema.ts';

/**
 * For one call: a 404 is a success after an attempt that may have deleted the key.
 *
 * @throws ConfigurationError if the id cannot be one.
 */
export function deleteOperation(id: string): Endpoint<DeletedApiKey> {
  return {
    method: 'DELETE',
    path: '/apikeys/{id}',
    params: { id: checkPathSegment(id, 'id') },
    // The contract asks for a body, and a server that holds to it refuses without.
    body: {},
    retry: 'transient',
    recover: (error, { mayHaveBeenApplied }) =>
      mayHaveBeenApplied && error instanceof NotFoundError ? { id } : undefined,
    decode: decodeJson({ fields: KEY_FIELDS, allowEmpty: true }, deletedApiKey, (wire, response, context) => {
      if (wire.id && wire.id !== id) throw otherKeyError(response, context);
      // What is gone need not be described: nothing is said of its quota where that is left out, not 0.
      return apiKeyFromWire({ ...wire, id }, 'account');
    }),
  };
}
