/** A registered symbol, so that two copies of the package recognize each other's errors. */
export const marker: unique symbol = /* @__PURE__ */ Symbol.for('drun-sdk.error');

/** The fields that the constructor of an error class accepts; those in `Optional` have a default. */
export type FieldsOf<E, Optional extends keyof E = never> = Omit<E, keyof DrunError | Optional> & {
  readonly [Field in Optional]?: E[Field] | undefined;
} & { readonly cause?: unknown };

/**
 * The base class of every error of this package.
 *
 * No field, message, stack or cause contains a credential: messages of servers and libraries are redacted first.
 */
export abstract class DrunError<Name extends string = string, Code extends string = string> extends Error {
  /** The name of the class. A literal, so it survives minification. */
  declare readonly name: Name;

  /** Stable and machine-readable. */
  readonly code: Code;

  /**
   * @param fields - Become enumerable fields. Those that are `undefined` are left out, so that printed errors stay
   * short.
   * @param hidden - Become fields that printing and `JSON.stringify` leave out.
   *
   * @internal
   */
  constructor(name: Name, code: Code, message: string, fields: object = {}, hidden: object = {}) {
    const { cause, ...visible } = fields as { readonly cause?: unknown };
    super(message, cause === undefined ? undefined : { cause });
    const known = Object.entries(visible).filter(([, value]) => value !== undefined);
    Object.assign(this, Object.fromEntries(known));
    this.code = code;
    for (const [field, value] of Object.entries({ name, ...hidden })) {
      if (value !== undefined) Object.defineProperty(this, field, { value });
    }
    Object.defineProperty(this, marker, { value: true });
    // Some runtimes start the stack with the name, and captured it before the name was set.
    const { captureStackTrace } = Error as { captureStackTrace?: (error: Error, below: unknown) => void };
    captureStackTrace?.(this, new.target);
  }

  /** Name, code, message and the fields of the class, without stack and cause. */
  toJSON(): Record<string, unknown> {
    return { name: this.name, code: this.code, message: this.message, ...(this as object) };
  }
}

/** A difference between a value and what was expected. */
export interface ResponseIssue {
  /** Path to the value, outermost key first: `['items', 0, 'creationTimestamp']`. Empty for the whole value. */
  readonly path: readonly (string | number)[];
  /** What was expected. Does not contain the value. */
  readonly message: string;
}
