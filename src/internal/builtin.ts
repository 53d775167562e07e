/** Returns a built-in Node module, or `undefined` in runtimes that lack it, where importing it would fail. */
export function builtinModule<T>(name: string): Partial<T> | undefined {
  const { process } = globalThis as {
    readonly process?: { readonly getBuiltinModule?: (name: string) => Partial<T> | undefined };
  };
  return process?.getBuiltinModule?.(name);
}
