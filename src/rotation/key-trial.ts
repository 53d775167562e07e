import { isDrunError } from '../errors/index.ts';
import type { Secret } from '../secret/secret.ts';
import type { KeyChecker } from './ports.ts';

/**
 * What came of a trial. `lacking`: the key is accepted, but may call less models than the other. `unknown`: nobody
 * can tell now; quotas, limits and failures of the service say nothing about the key.
 */
export type Verdict = 'accepted' | 'refused' | 'lacking' | 'unknown';

/** Tries whether a key opens the door. */
export class KeyTrial {
  readonly #checker: KeyChecker;

  constructor(checker: KeyChecker) {
    this.#checker = checker;
  }

  /** @param other - A key whose models the first has to cover; none where that is refused itself. */
  async attempt(secret: Secret, other: Secret | undefined, signal: AbortSignal): Promise<Verdict> {
    const models = await this.#modelsOf(secret, signal);
    if (typeof models === 'string') return models;
    const needed = other && (await this.#modelsOf(other, signal));
    if (needed === 'unknown') return 'unknown';
    if (needed === undefined || needed === 'refused') return 'accepted';
    return [...needed].every((model) => models.has(model)) ? 'accepted' : 'lacking';
  }

  async #modelsOf(apiKey: Secret, signal: AbortSignal): Promise<ReadonlySet<string> | 'refused' | 'unknown'> {
    try {
      const models = await this.#checker.models({ apiKey, signal, maxRetries: 0 });
      return new Set(models.map(({ id }) => id));
    } catch (error) {
      signal.throwIfAborted();
      return isDrunError(error) && error.code === 'authentication_failed' ? 'refused' : 'unknown';
    }
  }
}
