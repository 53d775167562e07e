import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ConfigurationError } from '../errors/index.ts';
import type { Answered } from '../http/call-response.ts';
import { jsonAnswer } from '../http/read-json.ts';
import type { Operation, Transport } from '../http/transport.ts';
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
  path: ['v1', 'chat', 'completions'],
  label: 'POST /v1/chat/completions',
} as const satisfies Partial<Operation<unknown>>;

/** Asks for an answer in one piece. */
export async function askForCompletion(
  transport: Transport,
  request: ChatCompletionRequest,
  options: ChatCallOptions & AnySchemaOptions,
): Promise<Answered<ChatCompletion>> {
  const body = await wireRequest(request, options);
  if (request.stream) {
    throw new ConfigurationError('stream: this call gives an answer in one piece; leave stream out', {
      option: 'stream',
    });
  }
  return transport.answer({ ...COMPLETIONS, body, receive: receiveCompletion }, options, options.apiKey);
}

/** Asks for an answer in one piece, and holds it against the schema. */
export async function askForParsed<Schema extends StandardSchemaV1>(
  transport: Transport,
  request: ChatCompletionRequest,
  options: ChatParseOptions<Schema>,
): Promise<Answered<ParsedCompletion<SchemaOutput<Schema>>>> {
  checkOneChoice(request);
  const { schema, signal } = options;
  // Without a schema, `askForCompletion` would send the request as it is.
  await jsonSchemaOf(schema, 'schema');
  const { data, response } = await askForCompletion(transport, request, options);
  return { data: await withParsed(data, schema, COMPLETIONS.label, signal), response };
}

const receiveCompletion = /* @__PURE__ */ jsonAnswer(
  chatCompletion,
  ({ body }) => withDefaults(body as ChatCompletion),
  isPlainCompletion,
);

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
