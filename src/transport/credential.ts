import { ConfigurationError } from '../errors/index.ts';
import type { CredentialContext, CredentialFunction, CredentialSource } from '../secret/credential-source.ts';
import { isSecret, Secret } from '../secret/secret.ts';

/** One question to a source, and everybody who waits for its answer. */
interface Asking {
  readonly refused: Secret | undefined;
  readonly controller: AbortController;
  readonly answer: Promise<Secret>;
  waiting: number;
}

/** Asks a {@link CredentialSource} and checks what it gives. */
export class Credential {
  readonly #option: string;
  readonly #ask: CredentialFunction | undefined;
  /** What was given last; the same credential stays the same object, so that work done for it is kept. */
  #latest: Secret | undefined;
  readonly #askings = new Set<Asking>();

  /**
   * @param option - What the caller calls it: `apiKey`, `accessToken`.
   * @throws ConfigurationError if the source cannot be one, or is a malformed credential; the message does not
   * repeat it.
   */
  constructor(source: CredentialSource, option: string) {
    this.#option = option;
    if (typeof source === 'function') this.#ask = source;
    else if (hasGetKey(source)) this.#ask = (context) => source.getKey(context);
    else this.#latest = this.#check(source);
  }

  /** The credential to use now. Rejects with what the source throws, or with the signal's reason. */
  async read(context: CredentialContext): Promise<Secret> {
    if (this.#ask === undefined) return this.#latest as Secret;
    const { refused, signal } = context;
    signal?.throwIfAborted();
    const asking = this.#findAsking(refused) ?? this.#startAsking(this.#ask, refused);
    asking.waiting++;
    try {
      return await untilAborted(asking.answer, signal);
    } finally {
      asking.waiting--;
      if (asking.waiting === 0) {
        this.#askings.delete(asking);
        asking.controller.abort();
      }
    }
  }

  #findAsking(refused: Secret | undefined): Asking | undefined {
    for (const asking of this.#askings) {
      if (refused === undefined ? asking.refused === undefined : asking.refused?.equals(refused))
        return asking;
    }
    return undefined;
  }

  #startAsking(ask: CredentialFunction, refused: Secret | undefined): Asking {
    const controller = new AbortController();
    const answer = (async () => this.#check(await ask({ refused, signal: controller.signal })))();
    const asking: Asking = { refused, controller, answer, waiting: 0 };
    this.#askings.add(asking);
    return asking;
  }

  #check(value: string | Secret): Secret {
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
    return this.#latest as Secret;
  }
}

function hasGetKey(source: CredentialSource): source is { readonly getKey: CredentialFunction } {
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
