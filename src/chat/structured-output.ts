import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ModelRefusalError, OutputTruncatedError, OutputValidationError } from '../errors/index.ts';
import { Deadline } from '../http/deadline.ts';
import { isTooDeep, parseJson } from '../internal/json.ts';
import type { ChatCompletion } from './completion.ts';
import { checkAgainst, issuesText, jsonSchemaOf, type SchemaOutput } from './json-schema.ts';
import type { ResponseFormat } from './request.ts';

/** A completion, and what the schema made of its first answer. */
export type ParsedCompletion<Output> = ChatCompletion & { readonly parsed: Output };

const DEFAULT_NAME = 'answer';

/** What makes a model server hold the model to a schema. */
export async function responseFormat(
  schema: StandardSchemaV1,
  schemaName: string | undefined,
): Promise<ResponseFormat> {
  const jsonSchema = await jsonSchemaOf(schema, 'schema');
  return {
    type: 'json_schema',
    json_schema: { name: schemaName ?? DEFAULT_NAME, schema: jsonSchema, strict: true },
  };
}

/**
 * Reads the first answer of a completion.
 *
 * @param label - Names the call in messages.
 * @param signal - The caller's: schemas may take their time, and ask who knows whom.
 * @throws ModelRefusalError, OutputTruncatedError, OutputValidationError
 */
export async function withParsed<Schema extends StandardSchemaV1>(
  completion: ChatCompletion,
  schema: Schema,
  label: string,
  signal: AbortSignal | undefined,
): Promise<ParsedCompletion<SchemaOutput<Schema>>> {
  const { message, finish_reason } = completion.choices[0];
  if (message.refusal) {
    const { refusal } = message;
    throw new ModelRefusalError(`${label}: the model refused to answer`, { refusal, completion });
  }
  if (finish_reason === 'content_filter') {
    const what = 'a filter withheld the answer, or a part of it';
    throw new ModelRefusalError(`${label}: ${what}`, { refusal: null, completion });
  }
  if (finish_reason === 'length') {
    const what = 'the answer was cut off at the limit of tokens: raise max_tokens, or ask for less';
    throw new OutputTruncatedError(`${label}: ${what}`, { completion });
  }
  const content = message.content ?? '';
  const value = parseJson(content);
  if (value === undefined || isTooDeep(content, value)) {
    const what = content === '' ? 'the answer has no text' : 'the answer is not JSON';
    throw new OutputValidationError(`${label}: ${what}`, { issues: [], completion });
  }
  // What was aborted after a stream came to its end lost nothing.
  const deadline = new Deadline(signal?.aborted ? undefined : signal);
  const { issues, ...checked } = await deadline
    .race(checkAgainst(schema, value))
    .finally(() => deadline[Symbol.dispose]());
  if (issues !== undefined) {
    const what = `the answer is not of the schema, ${issuesText(issues)}`;
    throw new OutputValidationError(`${label}: ${what}`, { issues, completion });
  }
  return { ...completion, parsed: (checked as { value: SchemaOutput<Schema> }).value };
}
