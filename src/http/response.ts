import type { ApiError, ConnectionError, DrunError, InvalidResponseError, ResponseIssue } from '../errors/index.ts';
import type { Deadline } from './deadline.ts';
import type { TransportResponse } from './transport.ts';

/** What a response belongs to. */
export interface ResponseContext {
  /** Method and path without ids: `DELETE /apikeys/{id}`. Starts every message. */
  readonly label: string;
  /** Origin and path of the request. */
  readonly url: string;
  readonly deadline: Deadline;
  /** Masks every credential that this call has used in a text that goes into an error, and limits its length. */
  redact(text: string): string;
}

/** An error that a service reports in a body. */
export interface ServiceError {
  readonly message?: string | undefined;
  readonly code?: string | undefined;
  readonly type?: string | undefined;
  readonly param?: string | undefined;
  /** The status that the body states, or that its code or type stands for. */
  readonly status?: number | undefined;
}

export interface JsonRules {
  /** Fields of the contract. A body with none of them (or only with `null`) is not a valid response. */
  readonly fields: readonly string[];
  /** Whether `{}` is valid: protobuf JSON leaves out zero values. */
  readonly allowEmpty?: boolean | undefined;
}

/** Reads and checks a JSON body: throws `ApiError` classes for an error body, `InvalidResponseError` for anything else. */
export type ReadJson = (response: TransportResponse, context: ResponseContext, rules: JsonRules) => Promise<unknown>;

/** Decides whether a JSON value carries an error, whatever the response's status is. */
export type ErrorIn = (value: unknown, fields?: readonly string[]) => ServiceError | undefined;

/** The error of the right class; takes its status from the body if the response's own is 2xx. */
export type ToApiError = (error: ServiceError, response: TransportResponse, context: ResponseContext) => ApiError;

/** The error for a 2xx response that is not what the contract promises. */
export type InvalidResponse = (
  response: TransportResponse,
  context: ResponseContext,
  what: string,
  details?: { readonly issues?: readonly ResponseIssue[]; readonly excerpt?: string },
) => InvalidResponseError;

/** The error for a request that failed without a response, or while its body was read. */
export type ToConnectionError = (thrown: unknown, context: ResponseContext) => ConnectionError | DrunError;
