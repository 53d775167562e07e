import { DrunError } from './drun-error.ts';

/**
 * A store of key rings failed, or holds something that is no record. A swap that was under way may have been carried
 * out all the same.
 *
 * What a database client of yours throws comes through as it is instead.
 */
export class KeyStoreError extends DrunError {
  override get name(): 'KeyStoreError' {
    return 'KeyStoreError';
  }
  readonly code = 'key_store_failed' as const;

  /** The HTTP status of the Kubernetes API's answer, where there was one. */
  declare readonly status?: number | undefined;

  constructor(message: string, init: { readonly status?: number | undefined } = {}) {
    super(message);
    if (init.status !== undefined) this.status = init.status;
  }
}
