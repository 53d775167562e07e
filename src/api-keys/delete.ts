import { NotFoundError } from '../errors/index.ts';
import { validPathSegment } from '../http/base-url.ts';
import { jsonAnswer } from '../http/read-json.ts';
import { isTransient } from '../http/retry.ts';
import { cannotHaveHappened } from '../http/transport.ts';
import type { DeletedApiKey } from './api-key.ts';
import { apiKeyFromWire } from './api-key-from-wire.ts';
import type { KeyOperation } from './control-plane.ts';
import { otherKeyError } from './other-key.ts';
import { deletedApiKey } from './schema.ts';

/**
 * For one call: a 404 is a success after an attempt that may have deleted the key.
 *
 * @throws ConfigurationError if the id cannot be one.
 */
export function deleteOperation(id: string): KeyOperation<DeletedApiKey> {
  let mayHaveHappened = false;
  return {
    method: 'DELETE',
    path: ['apikeys', validPathSegment(id, 'id')],
    // The contract asks for a body, and a server that holds to it refuses without.
    body: {},
    pattern: '/apikeys/{id}',
    mayRepeat: (error) => {
      const mayHelp = isTransient(error);
      mayHaveHappened ||= mayHelp && !cannotHaveHappened(error);
      return mayHelp;
    },
    answerTo: (error) => (mayHaveHappened && error instanceof NotFoundError ? { id } : undefined),
    receive: jsonAnswer(deletedApiKey, ({ parsed: wire }, response, context) => {
      if (wire.id && wire.id !== id) throw otherKeyError(response, context);
      // What is gone need not be described: nothing is said of its quota where that is left out, not 0.
      return apiKeyFromWire({ ...wire, id }, 'account');
    }),
  };
}
