/** Returns a Node module, or `undefined` on runtimes that lack it, where an `import` would fail. */
export function builtinModule<T>(name: string): Partial<T> | undefined {
  const { process } = globalThis as {
    readonly process?: { readonly getBuiltinModule?: (name: string) => Partial<T> | undefined };
  };
  return process?.getBuiltinModule?.(name);
}
