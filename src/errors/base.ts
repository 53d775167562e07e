/** A registered symbol, so that two copies of the package recognize each other's errors. */
export const marker: unique symbol = /* @__PURE__ */ Symbol.for('drun-sdk.error');

/** The fields that the constructor of an error class accepts. The fields named in `Optional` have a default value. */
export type FieldsOf<E, Optional extends keyof E = never> = Omit<E, keyof DrunError | Optional> & {
  readonly [Field in Optional]?: E[Field] | undefined;
} & { readonly cause?: unknown };

/** Fields that are not enumerable: `name` is printed anyway, and the others may contain a prompt. */
const HIDDEN = ['name', 'excerpt', 'messages'];

/**
 * The base class of all errors that this package throws.
 *
 * No field, message, stack or cause contains a credential: messages from servers and libraries are redacted first.
 */
export abstract class DrunError<Name extends string = string, Code extends string = string> extends Error {
  /** The name of the class. A string literal, so that it survives minification. */
  declare readonly name: Name;

  /** A stable, machine-readable code. */
  declare readonly code: Code;

  /** @internal */
  constructor(name: Name, code: Code, message: string, fields: object = {}) {
    const { cause, ...visible } = fields as { readonly cause?: unknown };
    super(message, cause === undefined ? undefined : { cause });
    for (const [field, value] of Object.entries(Object.assign({ code }, visible, { code, name }))) {
      // Undefined fields are omitted to keep printed errors short.
      if (value === undefined) continue;
      const enumerable = !HIDDEN.includes(field);
      Object.defineProperty(this, field, { value, enumerable, writable: true, configurable: true });
    }
    Object.defineProperty(this, marker, { value: true });
    // Capture the stack again now that the name is set, because some runtimes include the name in it.
    const { captureStackTrace } = Error as { captureStackTrace?: (error: Error, below: unknown) => void };
    captureStackTrace?.(this, new.target);
  }

  /** Returns the name, code, message and fields of the error, without its stack and cause. */
  toJSON(): Record<string, unknown> {
    return { name: this.name, code: this.code, message: this.message, ...(this as object) };
  }
}

/** A violation of a schema or of the API contract. */
export interface ResponseIssue {
  /** Path to the value, outermost key first, such as `['items', 0, 'creationTimestamp']`. Empty for the root value. */
  readonly path: readonly (string | number)[];
  /** What was expected. Contains the actual value only if a schema library quotes it. */
  readonly message: string;
}
