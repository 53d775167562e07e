import { ConfigurationError } from '../errors/index.ts';
import type { Credential, CredentialContext, CredentialProvider } from '../secret/credential.ts';
import { isSecret, Secret } from '../secret/secret.ts';

/** One question to a source, and everybody who waits for its answer. */
class Asking implements CredentialContext {
  readonly rejected: Secret | undefined;
  answer: Promise<Secret> | undefined;
  waiting = 0;
  #controller: AbortController | undefined;

  constructor(rejected: Secret | undefined) {
    this.rejected = rejected;
  }

  /** Made when it is looked at: a source that answers at once has no use for it. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  abort(): void {
    this.#controller?.abort();
  }
}

/** Asks a {@link Credential} and checks what it gives. */
export class CredentialReader {
  readonly #option: string;
  readonly #ask: CredentialProvider | undefined;
  /** What was given last; the same credential stays the same object, so that work done for it is kept. */
  #latest: Secret | undefined;
  /** As the source gave it. */
  #given: string | Secret | undefined;
  readonly #askings = new Set<Asking>();

  /**
   * @param option - What the caller calls it: `apiKey`, `accessToken`.
   * @throws ConfigurationError if the source cannot be one, or is a malformed credential; the message does not
   * repeat it.
   */
  constructor(source: Credential, option: string) {
    this.#option = option;
    if (typeof source === 'function') this.#ask = source;
    else if (hasGetKey(source)) this.#ask = (context) => source.getKey(context);
    else this.#latest = this.#check(source);
  }

  /**
   * The credential to use now; at once where the source has it at hand. Throws or rejects with what the source throws,
   * or with the signal's reason.
   */
  read({ rejected, signal }: CredentialContext): Secret | Promise<Secret> {
    if (this.#ask === undefined) return this.#latest as Secret;
    signal?.throwIfAborted();
    const known = this.#findAsking(rejected);
    if (known !== undefined) return this.#wait(known, signal);
    const asking = new Asking(rejected);
    const answer = this.#ask(asking);
    if (typeof answer === 'string' || isSecret(answer)) return this.#check(answer);
    asking.answer = Promise.resolve(answer).then((value) => this.#check(value));
    this.#askings.add(asking);
    return this.#wait(asking, signal);
  }

  async #wait(asking: Asking, signal: AbortSignal | undefined): Promise<Secret> {
    asking.waiting++;
    try {
      return await untilAborted(asking.answer as Promise<Secret>, signal);
    } finally {
      asking.waiting--;
      if (asking.waiting === 0) {
        this.#askings.delete(asking);
        asking.abort();
      }
    }
  }

  #findAsking(rejected: Secret | undefined): Asking | undefined {
    for (const asking of this.#askings) {
      if (rejected === undefined ? asking.rejected === undefined : asking.rejected?.equals(rejected)) {
        return asking;
      }
    }
    return undefined;
  }

  #check(value: string | Secret): Secret {
    // What cannot change was checked when it came for the first time.
    if (this.#latest !== undefined && value === this.#given) return this.#latest;
    const option = this.#option;
    const text = isSecret(value) ? value.reveal() : value;
    if (typeof text !== 'string' || text === '') {
      throw new ConfigurationError(`${option} must be a credential: a string or Secret that is not empty`, {
        option,
      });
    }
    if (!/^[\x21-\x7e]+$/.test(text)) {
      throw new ConfigurationError(
        `${option} holds a space, a line break or a character that is not printable ASCII: was it copied whole and trimmed?`,
        { option },
      );
    }
    if (!this.#latest?.equals(text)) this.#latest = new Secret(text);
    this.#given = value;
    return this.#latest as Secret;
  }
}

function hasGetKey(source: Credential): source is { readonly getKey: CredentialProvider } {
  return (
    typeof source === 'object' && source !== null && 'getKey' in source && typeof source.getKey === 'function'
  );
}

/** Leaves no listener on the signal. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
