import { NotFoundError } from '../errors/index.ts';
import { validPathSegment } from '../http/base-url.ts';
import { jsonAnswer } from '../http/read-json.ts';
import { isTransient } from '../http/retry.ts';
import type { Secret } from '../secret/secret.ts';
import type { KeyOperation } from './control-plane.ts';
import { isMissingPath } from './missing-path.ts';
import { otherKeyError } from './other-key.ts';
import { apiKeySecret } from './schema.ts';
import { keylessError, wholeKeyIn } from './whole-key.ts';

/**
 * @param isCapable - Whether the server is one that shows keys again, where that is known.
 * @throws ConfigurationError if the id cannot be one.
 */
export function revealOperation(id: string, isCapable: boolean | undefined): KeyOperation<Secret> {
  return {
    method: 'GET',
    path: ['apikeys', validPathSegment(id, 'id'), 'secret'],
    pattern: '/apikeys/{id}/secret',
    mayRepeat: (error) => {
      if (isMissingPath(error) && !isCapable) {
        const why = isCapable === undefined ? 'there is no such key, or the server is' : 'the server is';
        const message = `${error.message}: ${why} older than 0.17, from which on keys are shown again`;
        throw new NotFoundError(message, error);
      }
      return isTransient(error);
    },
    receive: jsonAnswer(apiKeySecret, ({ parsed }, response, context) => {
      if (parsed.id && parsed.id !== id) throw otherKeyError(response, context);
      const secret = wholeKeyIn(parsed);
      if (secret === undefined) throw keylessError(id, response, context);
      return secret;
    }),
  };
}
