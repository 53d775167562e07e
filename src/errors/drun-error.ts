/** Registered in the global symbol table, so that two copies of the package recognise each other's errors. */
export const marker: unique symbol = /* @__PURE__ */ Symbol.for('drun-sdk.error');

/**
 * What every error of this package has in common.
 *
 * No field, message, stack or cause of such an error holds a credential: what a server or a library said is
 * redacted before the error is made.
 */
export abstract class DrunError extends Error {
  /** The name of the class, literal: it survives minification. */
  abstract override get name(): string;

  /** A stable, machine-readable name of what went wrong. */
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    Object.defineProperty(this, marker, { value: true });
  }

  /**
   * What `JSON.stringify` sees: name, code, message and the error's own plain fields; neither stack nor cause.
   */
  toJSON(): Record<string, unknown> {
    const { name, code, message } = this;
    const { cause: _, ...fields } = this as Record<string, unknown>;
    return { name, code, message, ...fields };
  }
}
