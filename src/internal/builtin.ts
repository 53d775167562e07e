/** A module of Node, or `undefined` on runtimes that lack it. An `import` would fail there. */
export function builtinModule<T>(name: string): Partial<T> | undefined {
  const { process } = globalThis as {
    readonly process?: { readonly getBuiltinModule?: (name: string) => Partial<T> | undefined };
  };
  return process?.getBuiltinModule?.(name);
}
