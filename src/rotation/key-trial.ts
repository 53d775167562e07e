import type { Secret } from '../secret/secret.ts';
import type { KeyVerifier } from './ports.ts';

/**
 * What came of a trial. `lacking`: the key is accepted, but may call less models than the other. `unknown`: nobody
 * can tell now; quotas, limits and failures of the service say nothing about the key.
 */
export type Verdict = 'accepted' | 'refused' | 'lacking' | 'unknown';

/** Tries whether a key opens the door. */
export class KeyTrial {
  readonly #verifier: KeyVerifier;

  constructor(verifier: KeyVerifier) {
    this.#verifier = verifier;
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

  async #modelsOf(secret: Secret, signal: AbortSignal): Promise<ReadonlySet<string> | 'refused' | 'unknown'> {
    try {
      const result = await this.#verifier.verify(secret, { signal });
      if (result.accepted) return new Set(result.models);
      return result.code === 'authentication_failed' ? 'refused' : 'unknown';
    } catch {
      signal.throwIfAborted();
      return 'unknown';
    }
  }
}
