import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ModelRefusalError, OutputTruncatedError, OutputValidationError } from '../errors/index.ts';
import { Deadline } from '../http/deadline.ts';
import { isTooDeep, parseJson } from '../internal/json.ts';
import type { ChunkReader } from './chunk-reader.ts';
import type { ChatCompletion, CompletionMessage } from './completion.ts';
import { finishKind } from './finish-reason.ts';
import { checkAgainst, issuesText, jsonSchemaOf } from './json-schema.ts';
import type { ResponseFormat } from './request.ts';

/** A completion, and the value that the schema made of the text of its first choice. */
export type ParsedCompletion<Output> = ChatCompletion & { readonly parsed: Output };

/** The `response_format` that makes a server hold the model to a schema. */
export async function responseFormat(
  schema: StandardSchemaV1,
  name = 'answer',
  strict = true,
): Promise<ResponseFormat> {
  return {
    type: 'json_schema',
    json_schema: { name, schema: await jsonSchemaOf(schema, 'schema'), strict },
  };
}

/**
 * Parses the text of the first choice. A completion that calls tools is returned with `parsed: null`.
 *
 * @throws {ModelRefusalError | OutputTruncatedError | OutputValidationError}
 */
export async function parseReply<Output>(
  completion: ChatCompletion,
  schema: StandardSchemaV1,
  reader: Pick<ChunkReader, 'redact'>,
  signal: AbortSignal | undefined,
): Promise<ParsedCompletion<Output>> {
  const [{ message, finish_reason }] = completion.choices;
  const kind = finishKind(finish_reason ?? 'stop');
  const shown = { completion: reader.redact(completion) };
  if (message.refusal || kind === 'withheld') {
    const refusal = reader.redact(message.refusal || null);
    const who = refusal === null ? 'a filter withheld the reply' : 'the model refused';
    throw new ModelRefusalError(`The reply has no value for the schema: ${who}.`, { ...shown, refusal });
  }
  if (kind === 'cut') {
    throw new OutputTruncatedError(
      'The reply was cut off at the token limit: raise `max_tokens`, or ask for less.',
      shown,
    );
  }
  if (message.tool_calls?.length) return { ...completion, parsed: null as Output };
  const { value, reasoning, text } = readJson(message);
  if (value === undefined) {
    const what = text === '' ? 'no text' : 'text that is not JSON';
    throw new OutputValidationError(`The reply has ${what}.`, { ...shown, issues: [] });
  }
  // An abort after the end of a stream changes nothing.
  const deadline = new Deadline(signal?.aborted ? undefined : signal);
  const checked = await deadline.race(checkAgainst(schema, value)).finally(() => deadline[Symbol.dispose]());
  if (checked.issues === undefined) {
    return { ...withReasoning(completion, text, reasoning), parsed: checked.value as Output };
  }
  const issues = reader.redact(checked.issues);
  const message_ = `The reply does not match the schema: ${issuesText(issues)}.`;
  throw new OutputValidationError(message_, { ...shown, issues });
}

interface ReplyText {
  /** `undefined` if the text is not JSON. */
  readonly value: unknown;
  /** The text without the reasoning. */
  readonly text: string;
  readonly reasoning: string | undefined;
}

/** Reads the JSON of a reply. Some models put their reasoning before it, or a Markdown fence around it. */
function readJson({ content }: CompletionMessage): ReplyText {
  const whole = (content ?? '').trim();
  // Templates of some models begin the reasoning themselves, so the text only has its end.
  const [, reasoning, rest = whole] = /^(?:<think>)?(.*?)<\/think>(.*)$/s.exec(whole) ?? [];
  const text = rest.trim();
  for (const [json, isAfterReasoning] of [
    [whole, false],
    [text, true],
    [withoutFence(text), true],
  ] as const) {
    const value = parseJson(json);
    if (value === undefined || isTooDeep(json, value)) continue;
    return {
      value,
      text: isAfterReasoning ? text : whole,
      reasoning: isAfterReasoning ? reasoning : undefined,
    };
  }
  return { value: undefined, text, reasoning };
}

function withoutFence(text: string): string {
  return /^```[\w-]*\s*\n(.*)\n\s*```$/s.exec(text)?.[1] ?? text;
}

function withReasoning(
  completion: ChatCompletion,
  text: string,
  reasoning: string | undefined,
): ChatCompletion {
  if (reasoning === undefined) return completion;
  const [first, ...others] = completion.choices;
  const { message } = first;
  const reasoning_content = message.reasoning_content ?? reasoning.trim();
  return {
    ...completion,
    choices: [{ ...first, message: { ...message, content: text, reasoning_content } }, ...others],
  };
}
