import {
  ApiError,
  ConnectionError,
  type DrunError,
  InvalidResponseError,
  TimeoutError,
  UnknownOutcomeError,
} from '../errors/index.ts';
import type { CallOptions, Result } from '../http/call.ts';
import type { Deadline } from '../http/deadline.ts';
import { cannotHaveBeenApplied } from '../http/failures.ts';
import type { ControlPlane, Send } from './control-plane.ts';
import { type CreateBody, createEndpoint } from './endpoints.ts';
import { findLimitError } from './limit.ts';
import { fetchAnyKeys, fetchOwnKeys, readAll } from './list.ts';
import type { ApiKey, CreatedApiKey } from './types.ts';

/** The outcome of a create request. */
type CreateAttempt =
  | { readonly outcome: 'created'; readonly result: Result<CreatedApiKey> }
  /** The service did not create a key, or the request was never sent. */
  | { readonly outcome: 'rejected'; readonly error: unknown }
  /** The service may have created a key. `key` is set if the response describes the key without its secret. */
  | ({ readonly outcome: 'ambiguous'; readonly error: DrunError } & (
      | { readonly key: ApiKey }
      | { readonly key?: never; readonly sentAt: number }
    ));

/** Time limit for finding a key that may have been created. The call's `timeoutMs` may already have elapsed. */
const LOOKUP_TIMEOUT_MS = 10_000;

/** How far a key's creation time may lag behind the `Date` header, which has a resolution of one second. */
const CLOCK_SLACK_MS = 2_000;

/**
 * Creates a key. The request is retried only if the service cannot have acted on it.
 *
 * @throws {ApiKeyLimitError} If the account has reached its key limit.
 * @throws {UnknownOutcomeError} If the service may have created a key, but no usable response arrived.
 */
export async function createKey(
  plane: ControlPlane,
  body: CreateBody,
  options: CallOptions,
): Promise<Result<CreatedApiKey>> {
  const deadline = plane.deadline(options);
  try {
    const attempt = await attemptCreate(plane, body, deadline, options);
    switch (attempt.outcome) {
      case 'created':
        return attempt.result;
      case 'ambiguous': {
        // An error response means that no key was created, unless the list contains a candidate.
        const isErrorResponse = attempt.error instanceof ApiError;
        const lookup = isErrorResponse ? { ...options, maxRetries: 0 } : options;
        const candidates = attempt.key
          ? [attempt.key]
          : await findCandidates(plane, body.name, attempt.sentAt, lookup).catch(() => undefined);
        if (candidates?.length || !isErrorResponse) throw unknownOutcome(attempt.error, candidates);
        break;
      }
    }
    if (plane.workspace !== undefined) throw attempt.error;
    const send: Send = (endpoint) => plane.request(endpoint, deadline, { ...options, maxRetries: 0 });
    throw (await findLimitError(attempt.error, send, fetchAnyKeys(plane, send))) ?? attempt.error;
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    throw error;
  } finally {
    deadline[Symbol.dispose]();
  }
}

async function attemptCreate(
  plane: ControlPlane,
  body: CreateBody,
  deadline: Deadline,
  options: CallOptions,
): Promise<CreateAttempt> {
  let sentAt: number | undefined;
  const endpoint = {
    ...createEndpoint(body),
    onSend: () => {
      sentAt = performance.now();
    },
    recover: (error: DrunError) => {
      if (!mayHaveCreated(error)) sentAt = undefined;
      return undefined;
    },
  };
  try {
    const { data, response } = await plane.request(endpoint, deadline, options);
    const { key, secret } = data;
    if (secret instanceof Error) return { outcome: 'ambiguous', error: secret, key };
    return { outcome: 'created', result: { data: { ...key, secret }, response } };
  } catch (error) {
    if (sentAt === undefined) return { outcome: 'rejected', error };
    return { outcome: 'ambiguous', error: error as DrunError, sentAt };
  }
}

/** Returns whether a failed create request may have created a key. */
function mayHaveCreated(error: DrunError): boolean {
  // If a 200 response has an error body without a status, the status of the error is 200.
  if (error instanceof ApiError) return error.status < 300 || error.status === 408 || error.status >= 500;
  if (error instanceof InvalidResponseError) return error.status >= 200 && error.status < 300;
  return error instanceof TimeoutError || (error instanceof ConnectionError && !cannotHaveBeenApplied(error));
}

/**
 * Finds unused keys with the given name that, by the service's clock, were created after the request was sent.
 *
 * @param sentAt - When the request was sent (`performance.now()`).
 * @returns `undefined` if the service does not report its time.
 */
async function findCandidates(
  plane: ControlPlane,
  name: string,
  sentAt: number,
  callOptions: CallOptions,
): Promise<readonly ApiKey[] | undefined> {
  const options = { ...callOptions, timeoutMs: LOOKUP_TIMEOUT_MS };
  const deadline = plane.deadline(options);
  try {
    const fetchPage = fetchOwnKeys(plane, (endpoint) => plane.request(endpoint, deadline, options));
    const { items, servedAt, unknownUse } = (await readAll({}, fetchPage)).data;
    if (servedAt === undefined) return undefined;
    // The service cannot have received the request before `earliest`.
    const earliest = servedAt.getTime() - (performance.now() - sentAt) - CLOCK_SLACK_MS;
    const isUnused = ({ id, lastUsedAt }: ApiKey): boolean => lastUsedAt === undefined && !unknownUse.has(id);
    return items.filter((key) => key.name === name && isUnused(key) && key.createdAt.getTime() >= earliest);
  } finally {
    deadline[Symbol.dispose]();
  }
}

function unknownOutcome(error: DrunError, candidates: readonly ApiKey[] | undefined): UnknownOutcomeError {
  const found =
    candidates === undefined
      ? 'Its id is unknown, because the key list or the time of the service could not be read.'
      : `Found ${candidates.length} unused ${candidates.length === 1 ? 'key' : 'keys'} with this name that may have been created by this request.`;
  return new UnknownOutcomeError(`An API key may have been created: ${error.message} ${found}`, {
    candidateIds: candidates?.map(({ id }) => id),
    cause: error,
  });
}
