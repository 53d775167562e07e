import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ConfigurationError } from '../errors/index.ts';
import type { Result } from '../http/call.ts';
import type { Endpoint, HttpClient } from '../http/client.ts';
import { checkShape, readJson } from '../http/response.ts';
import type { ChatCompletion, CompletionChoice } from './completion.ts';
import { jsonSchemaOf, type SchemaOutput } from './json-schema.ts';
import type { AnySchemaOptions, ChatCallOptions, ChatParseOptions } from './options.ts';
import { isPlainCompletion } from './plain-completion.ts';
import type { ChatCompletionRequest } from './request.ts';
import { chatCompletion } from './schema.ts';
import { type ParsedCompletion, withParsed } from './structured-output.ts';
import { checkOneChoice, wireRequest } from './wire-request.ts';

/** What every call of the endpoint has in common. */
export const COMPLETIONS = {
  method: 'POST',
  path: '/v1/chat/completions',
  retry: 'transient',
} as const satisfies Partial<Endpoint<unknown>>;

/** Names the calls in messages. */
export const COMPLETIONS_LABEL = 'POST /v1/chat/completions';

/** Asks for an answer in one piece. */
export async function askForCompletion(
  http: HttpClient,
  request: ChatCompletionRequest,
  options: ChatCallOptions & AnySchemaOptions,
): Promise<Result<ChatCompletion>> {
  const body = await wireRequest(request, options);
  if (request.stream) {
    throw new ConfigurationError('stream: this call gives an answer in one piece; leave stream out', {
      option: 'stream',
    });
  }
  const deadline = http.deadline(options);
  try {
    return await http.request({ ...COMPLETIONS, body, decode: decodeCompletion }, deadline, options);
  } finally {
    deadline[Symbol.dispose]();
  }
}

/** Asks for an answer in one piece, and holds it against the schema. */
export async function askForParsed<Schema extends StandardSchemaV1>(
  http: HttpClient,
  request: ChatCompletionRequest,
  options: ChatParseOptions<Schema>,
): Promise<Result<ParsedCompletion<SchemaOutput<Schema>>>> {
  checkOneChoice(request);
  const { schema, signal } = options;
  // Without a schema, `askForCompletion` would send the request as it is.
  await jsonSchemaOf(schema, 'schema');
  const { data, response } = await askForCompletion(http, request, options);
  return { data: await withParsed(data, schema, COMPLETIONS_LABEL, signal), response };
}

/** Fields of a completion: a body without any of them is none. */
export const COMPLETION_FIELDS = ['id', 'object', 'created', 'model', 'choices', 'usage'];

const decodeCompletion: Endpoint<ChatCompletion>['decode'] = async (response, context) => {
  const body = await readJson(response, context, { fields: COMPLETION_FIELDS });
  if (!isPlainCompletion(body)) checkShape(body, chatCompletion, response, context);
  return withDefaults(body as unknown as ChatCompletion);
};

/** Fills in what servers leave out of a choice although the type promises it; all that came stays. */
function withDefaults(completion: ChatCompletion): ChatCompletion {
  const [first, ...rest] = completion.choices;
  const filled = (choice: CompletionChoice, index: number): CompletionChoice => ({
    ...choice,
    index: choice.index ?? index,
    message: { ...choice.message, role: 'assistant', content: choice.message.content ?? null },
    finish_reason: choice.finish_reason ?? null,
  });
  return {
    ...completion,
    choices: [filled(first, 0), ...rest.map((choice, index) => filled(choice, index + 1))],
  };
}
