import { ApiError, ConnectionError, InvalidResponseError, TimeoutError } from '../errors/index.ts';
import { type CallOptions, type CallPromise, callPromise, type Result } from '../http/call.ts';
import { cannotHaveBeenApplied } from '../http/retry.ts';
import type { ApiKey, CreatedApiKey } from './api-key.ts';
import type { ControlPlane } from './control-plane.ts';
import { createOperation } from './create.ts';
import { throwIfAtLimit } from './key-limit.ts';
import type { KeyLists } from './key-lists.ts';
import { Namesakes } from './namesakes.ts';
import type { CreateApiKeyOptions, NewKey } from './new-key.ts';
import { settle, unknownOutcome } from './settlement.ts';

/** What is known of a create that is under way. */
interface Sending {
  /** When the request was sent of which a key may have come, by `performance.now()`. */
  sentAt?: number | undefined;
  /** The key, where the answer names it but does not show it. */
  made?: ApiKey;
}

/**
 * Creates keys. A create is sent once, and again only where nothing can have come of it; one whose answer is lost is
 * settled.
 */
export class KeyCreator {
  readonly #plane: ControlPlane;
  readonly #lists: KeyLists;
  readonly #namesakes = new Namesakes();

  constructor(plane: ControlPlane, lists: KeyLists) {
    this.#plane = plane;
    this.#lists = lists;
  }

  /** What making the new key throws, the call rejects with. */
  create(make: () => NewKey, options: CreateApiKeyOptions): CallPromise<CreatedApiKey> {
    return callPromise((async () => this.#create(make(), options))());
  }

  async #create(newKey: NewKey, options: CreateApiKeyOptions): Promise<Result<CreatedApiKey>> {
    const claim = this.#namesakes.begin(`${this.#plane.address} ${newKey.name}`, JSON.stringify(newKey));
    const sending: Sending = {};
    try {
      const answered = await this.#send(newKey, sending, options);
      claim.settle({ id: answered.data.id });
      return answered;
    } catch (error) {
      const { sentAt, made } = sending;
      claim.settle(sentAt === undefined ? 'nothing' : 'unknown');
      if (options.signal?.aborted) throw options.signal.reason;
      if (sentAt === undefined || !isLoss(error)) throw error;
      const lost = { newKey, claim, sentAt, error, made };
      if (options.settle === false) throw unknownOutcome(lost, []);
      return await settle(lost, this.#plane, this.#lists, options);
    } finally {
      claim.end();
    }
  }

  async #send(newKey: NewKey, sending: Sending, options: CallOptions): Promise<Result<CreatedApiKey>> {
    const { kind } = this.#plane.scope;
    const scope = this.#plane.deadline(options);
    const perform = this.#plane.performerIn(scope, options);
    const performOnce = this.#plane.performerIn(scope, { ...options, maxRetries: 0 });
    try {
      const { data, response } = await perform({
        ...createOperation(newKey, kind),
        onSend: () => {
          sending.sentAt = performance.now();
        },
        recover: (error) => {
          if (isRefusal(error) || cannotHaveBeenApplied(error)) sending.sentAt = undefined;
          return undefined;
        },
      });
      if (data.error === undefined) return { data: { ...data.key, secret: data.secret }, response };
      sending.made = data.key;
      throw data.error;
    } catch (error) {
      // Workspaces have no way to ask: there the error stays what it is.
      if (kind === 'account' && error instanceof ApiError) {
        await throwIfAtLimit(error, this.#lists, performOnce, scope);
      }
      throw error;
    } finally {
      scope[Symbol.dispose]();
    }
  }
}

/** Whether an answer was lost, or cannot be read, so that a key may have been made. */
function isLoss(error: unknown): error is ConnectionError | TimeoutError | InvalidResponseError {
  if (error instanceof InvalidResponseError) return error.status >= 200 && error.status < 300;
  return error instanceof ConnectionError || error instanceof TimeoutError;
}

/** Whether the service said that it made nothing. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  const { status } = error;
  return status >= 400 && status < 500 && status !== 408;
}
