import { InvalidResponseError } from '../errors/index.ts';
import { answerOf, type RequestContext } from '../http/error-mapping.ts';

/** The error for an answer about another key than the one that was asked for. */
export function otherKeyError(response: Response, context: RequestContext): InvalidResponseError {
  return new InvalidResponseError(`${context.label}: ${response.status} about another key`, {
    ...answerOf(response, context),
    issues: [{ path: ['id'], message: 'expected the id that was asked for' }],
  });
}
