import type * as z from 'zod/mini';
import { InvalidResponseError, type ResponseIssue } from '../errors/index.ts';
import { answerOf, hasErrorEnvelope, type RequestContext, toApiError } from './error-mapping.ts';
import { isTooDeep, parseJson } from './json.ts';
import type { Operation } from './transport.ts';

const MOST_ISSUES = 20;

/**
 * Receives a JSON answer: reads it whole, checks it, and makes of it what the operation answers.
 *
 * @param isPlain - Whether a body fits the schema and is what that makes of it, at a glance: where it says so, the schema
 * is not asked.
 */
export function jsonAnswer<Schema extends z.ZodMiniType, Answer>(
  schema: Schema,
  make: (checked: CheckedBody<z.output<Schema>>, response: Response, context: RequestContext) => Answer,
  isPlain?: (body: unknown) => boolean,
): Operation<Answer>['receive'] {
  return async (response, context, scope) => {
    const text = await scope.race(response.text());
    scope.throwIfEnded();
    return make(checkJson(response, text, { schema, isPlain }, context), response, context);
  };
}

/** A body of the contract's shape: checked, and as it came, with every field that the schema does not know. */
export interface CheckedBody<Output> {
  /** What came, redacted. */
  readonly body: unknown;
  /** What the schema makes of it. */
  readonly parsed: Output;
}

/**
 * Reads the JSON of an answer and holds it against a schema.
 *
 * @throws InvalidResponseError if it is not JSON or not of that shape; says where, never what came.
 * @throws ApiError if it is an error although its status says success.
 */
function checkJson<Schema extends z.ZodMiniType>(
  response: Response,
  text: string,
  {
    schema,
    isPlain,
  }: { readonly schema: Schema; readonly isPlain: ((body: unknown) => boolean) | undefined },
  context: RequestContext,
): CheckedBody<z.output<Schema>> {
  const { label, scrubber } = context;
  const { status } = response;
  const invalid = (what: string, issues?: readonly ResponseIssue[]): InvalidResponseError =>
    new InvalidResponseError(scrubber.text(`${label}: ${status} with ${what}`), {
      ...answerOf(response, context),
      issues,
    });
  const value = parseJson(text);
  if (value === undefined) {
    const what = text.trim() === '' ? 'an empty body' : `a body that is not JSON${contentTypeOf(response)}`;
    throw invalid(`${what}: is baseUrl right?`);
  }
  if (isTooDeep(text, value)) throw invalid('a body that is nested too deeply');
  const body = scrubber.answer(text, value);
  if (hasErrorEnvelope(body)) throw toApiError(status, response.headers, text, context);
  if (isPlain?.(body)) return { body, parsed: body as z.output<Schema> };
  const result = schema.safeParse(body);
  if (result.success) return { body, parsed: result.data };
  const issues = result.error.issues.slice(0, MOST_ISSUES).map(toIssue);
  const places = issues.map(({ path, message }) => `${path.join('.') || 'the body'}: ${message}`).join('; ');
  throw invalid(`a body that is not of the contract's shape, ${places}`, issues);
}

/** The media type, if it is one: the header is the server's to fill. */
function contentTypeOf(response: Response): string {
  const type = /^[a-z]+\/[a-z.+-]{1,40}(?=\s*(?:;|$))/i.exec(response.headers.get('content-type') ?? '')?.[0];
  return type === undefined ? '' : ` (${type})`;
}

function toIssue(issue: z.core.$ZodIssue): ResponseIssue {
  const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
  return { path, message: expectation(issue) };
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${issue.expected}`;
    case 'invalid_format':
      return `expected the format ${issue.format}`;
    case 'too_small':
      return `expected ${issue.minimum} or more`;
    case 'custom':
      return issue.message;
    default:
      return 'not of the documented form';
  }
}
