/** Headers of one's own; one that is undefined is left out. */
export type HeadersOption = Headers | Readonly<Record<string, string | undefined>>;

/** What every call takes as its last argument. */
export interface CallOptions {
  /** Ends the call: it rejects with the signal's own reason, and no listener stays on the signal. */
  readonly signal?: AbortSignal | undefined;
  /** Overrides the client's `timeoutMs` for this call, in milliseconds. `Infinity` waits as long as it takes. */
  readonly timeoutMs?: number | undefined;
  /** Sent beside the client's own headers, and in place of those of the same name; never `Authorization`. */
  readonly headers?: HeadersOption | undefined;
  /** Overrides the client's `maxRetries` for this call. */
  readonly maxRetries?: number | undefined;
}

/**
 * A `fetch` to use in place of the global one. It is called as `fetch(url, init)` with the credential among the
 * headers of `init`.
 */
export type FetchFunction = (input: string, init: RequestInit) => Promise<Response>;
