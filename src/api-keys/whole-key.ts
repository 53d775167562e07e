import type { InvalidResponseError } from '../errors/index.ts';
import { invalidResponse, type ResponseContext } from '../http/errors.ts';
import type { TransportResponse } from '../http/transport.ts';
import { Secret } from '../secret/secret.ts';

/** The whole key that an answer has, or undefined where it is masked, or of characters that no header can carry. */
export function wholeKeyIn({ key }: { readonly key?: string | null | undefined }): Secret | undefined {
  return key && /^[\x21-\x7e]+$/.test(key) && !key.includes('*') ? new Secret(key) : undefined;
}

/** The error for an answer that should have the whole key. */
export function keylessError(
  id: string,
  response: TransportResponse,
  context: ResponseContext,
): InvalidResponseError {
  return invalidResponse(response, context, `${response.status} without the full key of ${id}`, {
    issues: [{ path: ['key'], message: 'expected the whole key' }],
  });
}
