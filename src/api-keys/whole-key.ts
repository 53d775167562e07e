import { InvalidResponseError } from '../errors/index.ts';
import { answerOf, type RequestContext } from '../http/error-mapping.ts';
import { Secret } from '../secret/secret.ts';

/** The whole key that an answer has, or undefined where it is masked, or of characters that no header can carry. */
export function wholeKeyIn({ key }: { readonly key?: string | null | undefined }): Secret | undefined {
  return key && /^[\x21-\x7e]+$/.test(key) && !key.includes('*') ? new Secret(key) : undefined;
}

/** The error for an answer that should have the whole key. */
export function keylessError(id: string, response: Response, context: RequestContext): InvalidResponseError {
  const message = `${context.label}: ${response.status} without the whole key of ${id}`;
  return new InvalidResponseError(context.scrubber.text(message), {
    ...answerOf(response, context),
    issues: [{ path: ['key'], message: 'expected the whole key' }],
  });
}
