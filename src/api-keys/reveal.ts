import { NotFoundError } from '../errors/index.ts';
import type { Endpoint } from '../http/client.ts';
import { checkPathSegment } from '../http/url.ts';
import type { Secret } from '../secret/secret.ts';
import { decodeJson } from './control-plane.ts';
import { isMissingPath } from './missing-path.ts';
import { otherKeyError } from './other-key.ts';
import { apiKeySecret } from './schema.ts';
import { keylessError, wholeKeyIn } from './whole-key.ts';

/**
 * @param isCapable - Whether the server is one that shows keys again, where that is known.
 * @throws ConfigurationError if the id cannot be one.
 */
export function revealOperation(id: string, isCapable: boolean | undefined): Endpoint<Secret> {
  return {
    method: 'GET',
    path: '/apikeys/{id}/secret',
    params: { id: checkPathSegment(id, 'id') },
    retry: 'transient',
    recover: (error) => {
      if (isMissingPath(error) && !isCapable) {
        const why = isCapable === undefined ? 'there is no such key, or the server is' : 'the server is';
        const message = `${error.message}: ${why} older than 0.17, from which on keys are shown again`;
        throw new NotFoundError(message, error);
      }
      return undefined;
    },
    decode: decodeJson({ fields: ['id', 'key'] }, apiKeySecret, (parsed, response, context) => {
      if (parsed.id && parsed.id !== id) throw otherKeyError(response, context);
      const secret = wholeKeyIn(parsed);
      if (secret === undefined) throw keylessError(id, response, context);
      return secret;
    }),
  };
}
