import { ApiKeyLimitError, AuthenticationError, NotFoundError } from 'drun-sdk/errors';
import type { Clock, KeyList, KeyManager, KeyVerifier } from 'drun-sdk/rotation';
import { Secret } from 'drun-sdk/secret';

/** A key at the {@link RingService}. */
export interface ServiceKey {
  readonly id: string;
  readonly name: string;
  readonly secret: Secret;
  readonly expiresAt: Date;
  readonly quota?: number | 'unlimited' | undefined;
  disabled: boolean;
}

export type ServiceOperation = 'create' | 'list' | 'delete' | 'getSecret' | 'verify';

/** Replaces one request. `perform` applies the original request. */
export type Fault = (perform: () => Promise<unknown>) => Promise<unknown>;

/** An in-memory service on a test's clock, with a key manager and a key verifier. */
export class RingService {
  readonly keys = new Map<string, ServiceKey>();
  /** Every request, in order. */
  readonly requests: ServiceOperation[] = [];
  /** Faults for the next requests of an operation, in order. */
  readonly faults: Partial<Record<ServiceOperation, Fault[]>> = {};
  maxKeys = 100;
  models: readonly string[] = ['public/deepseek-r1'];
  /** Offset of the service's clock from the test's. */
  clockOffsetMs = 0;
  sendsDate = true;
  /** Duration of each request. */
  latencyMs = 0;
  readonly #clock: Clock;
  #created = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Makes the next requests of an operation fail. */
  fail(operation: ServiceOperation, ...faults: Fault[]): void {
    this.faults[operation] = [...(this.faults[operation] ?? []), ...faults];
  }

  get ids(): string[] {
    return [...this.keys.keys()];
  }

  /** Returns the requests since the last call. */
  newRequests(): ServiceOperation[] {
    return this.requests.splice(0);
  }

  accepts(secret: Secret): boolean {
    const key = [...this.keys.values()].find((other) => other.secret.equals(secret));
    return key !== undefined && !key.disabled && key.expiresAt.getTime() > this.now;
  }

  add(name: string, expiresAt = new Date(this.now + 1e12), quota?: number | 'unlimited'): ServiceKey {
    const id = `k${++this.#created}`;
    const secret = new Secret(`sk-${id}-${'x'.repeat(30)}${String(this.#created).padStart(10, '0')}`);
    const key: ServiceKey = { id, name, secret, expiresAt, quota, disabled: false };
    this.keys.set(id, key);
    return key;
  }

  get now(): number {
    return this.#clock.now() + this.clockOffsetMs;
  }

  manager({ supportsGetSecret = true }: { readonly supportsGetSecret?: boolean } = {}): KeyManager {
    return {
      create: ({ name, expiresAt, quota }) =>
        this.#request('create', () => {
          if (this.keys.size >= this.maxKeys) {
            throw new ApiKeyLimitError('No more keys are allowed.', {
              status: 400,
              reason: 'limit',
              unusedKeys: [],
            });
          }
          const { id, secret } = this.add(name, expiresAt, quota);
          return { id, maskedKey: secret.masked, secret };
        }),
      list: () =>
        this.#request('list', (): KeyList => {
          const items = Array.from(this.keys.values(), ({ id, name, secret, disabled, expiresAt }) => ({
            id,
            name,
            maskedKey: secret.masked,
            disabled,
            expired: expiresAt.getTime() <= this.now,
            expiresAt,
          }));
          // The `Date` header has a resolution of one second.
          const servedAt = new Date(Math.floor(this.now / 1_000) * 1_000);
          return this.sendsDate ? { items, servedAt } : { items };
        }),
      delete: (id) =>
        this.#request('delete', () => {
          if (!this.keys.delete(id)) throw new NotFoundError('No such key.', { status: 404 });
        }),
      ...(supportsGetSecret && {
        getSecret: (id: string) =>
          this.#request('getSecret', () => {
            const key = this.keys.get(id);
            if (key === undefined) throw new NotFoundError('No such key.', { status: 404 });
            return key.secret;
          }),
      }),
    };
  }

  readonly verifier: KeyVerifier = {
    verify: (secret) =>
      this.#request('verify', () =>
        this.accepts(secret)
          ? { accepted: true, models: this.models }
          : { accepted: false, code: new AuthenticationError('', { status: 401 }).code },
      ),
  };

  async #request<Result>(operation: ServiceOperation, perform: () => Result): Promise<Result> {
    this.requests.push(operation);
    if (this.latencyMs > 0) await this.#clock.sleep(this.latencyMs, new AbortController().signal);
    const fault = this.faults[operation]?.shift();
    return (await (fault ? fault(async () => perform()) : perform())) as Result;
  }
}

/** The service rejects the request without applying it. */
export function rejected(error: Error): Fault {
  return async () => {
    throw error;
  };
}

/** The service applies the request, but the response is lost. */
export const responseLost: Fault = async (perform) => {
  await perform();
  throw new Error('socket hang up');
};

/** The request does not reach the service. */
export const requestLost: Fault = async () => {
  throw new Error('socket hang up');
};
