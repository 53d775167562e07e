// Each type resolves to the program's global type (from the DOM, Node or Workers), if there is one, so that the
// declarations compile everywhere.

/** An `AbortSignal` from any platform or polyfill. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: as in DOM's AbortSignal
  readonly reason: any;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

type Instance<Name extends string, Otherwise> =
  typeof globalThis extends Record<Name, { prototype: infer T }> ? T : Otherwise;

export type PlatformAbortSignal = Instance<'AbortSignal', AbortSignalLike>;
export type PlatformHeaders = Instance<'Headers', { get(name: string): string | null }>;
export type PlatformReadableStream = Instance<'ReadableStream', unknown>;
export type PlatformRequest = Instance<'Request', never>;
export type PlatformResponse = Instance<'Response', unknown>;
export type PlatformUrl = Instance<'URL', { readonly href: string }>;

/** The second parameter of `fetch`. */
export type PlatformRequestInit = typeof globalThis extends {
  fetch: (input: never, init?: infer T) => unknown;
}
  ? NonNullable<T>
  : unknown;
