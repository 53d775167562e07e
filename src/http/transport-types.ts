/** A request with everything it needs, credential included. */
export interface TransportRequest {
  readonly method: string;
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** Aborts the request, and the reading of its response. */
  readonly signal: AbortSignal;
}

/** Response headers; a web `Headers` is one. */
export interface ResponseHeaders extends Iterable<[string, string]> {
  get(name: string): string | null;
}

/** A response whose body has not been read. */
export interface TransportResponse {
  /** 0 for a redirect whose status the runtime hides. */
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** Reads the whole body. */
  text(): Promise<string>;
  /** Reads the next part of the body; `undefined` at its end. */
  read(): Promise<Uint8Array | undefined>;
  /** Closes the connection unless the body has been read. Never throws. */
  cancel(): void;
}

/** Sends one request, without following redirects. */
export interface Transport {
  send(request: TransportRequest): Promise<TransportResponse>;
}
