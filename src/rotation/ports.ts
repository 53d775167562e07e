import type { Secret } from '../secret/secret.ts';

/** What every call of an issuer or a checker is given. */
export interface PortCallOptions {
  readonly signal?: AbortSignal | undefined;
  /** 0 where a call has to be sent once: what it may have done is the ring's to find out. */
  readonly maxRetries?: number | undefined;
}

/** A key that has just been made. */
export interface IssuedKey {
  readonly id: string;
  readonly maskedKey: string;
  readonly secret: Secret;
}

/** A key as a list has it. */
export interface ListedKey {
  readonly id: string;
  readonly name: string;
  readonly maskedKey: string;
  readonly expired: boolean;
  readonly disabled: boolean;
  readonly expiresAt?: Date | undefined;
}

/** Makes keys, lists them and deletes them: `ApiKeys` and `WorkspaceApiKeys` fit. */
export interface KeyIssuer {
  /**
   * Makes a key, once.
   */
  create(
    input: { readonly name: string; readonly expiresAt: Date },
    options: PortCallOptions,
  ): PromiseLike<IssuedKey>;
  /** All keys, of whomever. */
  list(query: object, options: PortCallOptions): AsyncIterable<ListedKey>;
  /** Rejects with an error of code `not_found` where there is no such key. */
  delete(id: string, options: PortCallOptions): PromiseLike<unknown>;
  /** Shows a key again, where the service can: from 0.17. */
  getSecret?(id: string, options: PortCallOptions): PromiseLike<Secret>;
}

/** Says whether a key opens the door, and to what: `ChatClient` fits. */
export interface KeyChecker {
  /** The models that a key may call; rejects with an error of code `authentication_failed` where it is refused. */
  models(
    options: PortCallOptions & { readonly apiKey: Secret },
  ): PromiseLike<readonly { readonly id: string }[]>;
}

/** Time, and waiting: handed in by tests that cannot wait. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /**
   * Resolves after this many milliseconds, or rejects with the signal's reason.
   *
   * @param options - With `background`, nobody waits for it: it need not keep the process alive.
   */
  sleep(ms: number, signal: AbortSignal, options?: { readonly background?: boolean }): Promise<void>;
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal, { background = false } = {}) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const timer: unknown = setTimeout(() => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      const onAbort = (): void => {
        clearTimeout(timer as number);
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      // Only Node's timers, and Bun's, keep a process alive until they are told not to.
      if (background) (timer as { readonly unref?: () => void }).unref?.();
    }),
};
