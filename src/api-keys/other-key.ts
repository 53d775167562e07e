import type { InvalidResponseError } from '../errors/index.ts';
import { invalidResponse, type ResponseContext } from '../http/errors.ts';
import type { TransportResponse } from '../http/transport.ts';

/** The error for an answer about another key than the one that was asked for. */
export function otherKeyError(response: TransportResponse, context: ResponseContext): InvalidResponseError {
  return invalidResponse(response, context, `${response.status} about another key`, {
    issues: [{ path: ['id'], message: 'expected the id that was asked for' }],
  });
}
