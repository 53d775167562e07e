import { ModelRefusalError, OutputTruncatedError, OutputValidationError } from '../errors/index.ts';
import { Deadline } from '../http/deadline.ts';
import { parseJson } from '../internal/json.ts';
import type { AbortSignalLike } from '../internal/platform.ts';
import type { ChunkReader } from './chunk-reader.ts';
import type { ChatCompletion } from './completion.ts';
import { finishKind } from './finish-reason.ts';
import { issuesText, validate } from './json-schema.ts';
import type { SchemaOutput } from './tools.ts';

/** Some models wrap the JSON in a Markdown fence. If the fence is a stop sequence, the closing fence is missing. */
const FENCE = /^(`{3,}|~{3,})[ \t]*[\w/+-]*(?=[\s{["])(.*?)(?:\1)?$/s;
/** Reasoning before the JSON. If the chat template contains the opening tag, the reply contains only the closing tag. */
const REASONING =
  /^(?:<(?:\w+:)?think(?:ing)?>)?(.*?)<\/(?:\w+:)?think(?:ing)?>(?!\s*<(?:\w+:)?think)\s*(.*)$/s;

/** A completion together with its parsed reply. */
export type ParsedCompletion<Output> = ChatCompletion & {
  /** The reply as parsed by the schema, or `null` if the model called tools instead of replying. */
  readonly parsed: Output;
};

/** A completion, with the parsed reply if a schema was passed. */
export type Parsed<Completion, Schema extends object> = [Schema] extends [never]
  ? Completion
  : Completion & ParsedCompletion<SchemaOutput<Schema>>;

/**
 * Checks that the first choice is complete.
 *
 * @param isPartial - Whether the content of the choice is known to be incomplete.
 * @throws {ModelRefusalError | OutputTruncatedError}
 */
export function checkFinished(completion: ChatCompletion, reader: ChunkReader, isPartial = false): void {
  const [{ message, finish_reason }] = completion.choices;
  const kind = finishKind(finish_reason);
  if (message.refusal || kind === 'withheld') {
    const why = message.refusal
      ? 'The model refused to reply.'
      : 'A content filter withheld the reply, or part of it.';
    throw new ModelRefusalError(why, reader.redact({ completion, refusal: message.refusal || null }));
  }
  if (kind !== 'cut' && !isPartial) return;
  const where = isPartial
    ? 'in the middle of a tool call'
    : 'at the token limit. Raise `max_tokens`, or ask for a shorter reply';
  throw new OutputTruncatedError(`The reply was cut off ${where}.`, reader.redact({ completion }));
}

/**
 * Parses the text of the first choice.
 *
 * @throws {ModelRefusalError | OutputTruncatedError | OutputValidationError}
 */
export async function parseReply<Completion extends ChatCompletion>(
  completion: Completion,
  schema: object,
  reader: ChunkReader,
  signal: AbortSignalLike | undefined,
): Promise<Completion & ParsedCompletion<never>> {
  checkFinished(completion, reader);
  const [first, ...others] = completion.choices;
  const { message } = first;
  if (message.tool_calls?.length || message.function_call) return { ...completion, parsed: null as never };
  const whole = (message.content ?? '').trim();
  const isReply = readReply(whole) !== undefined;
  const [, reasoning, text = whole] = (!isReply && REASONING.exec(whole)) || [];
  const value = readReply(text);
  if (value === undefined) {
    const why = `The reply ${text === '' ? 'contains no text' : 'is not JSON'}.`;
    throw new OutputValidationError(why, reader.redact({ completion, issues: [] }));
  }
  // A signal that was aborted after the end of the stream is ignored.
  const deadline = new Deadline(signal?.aborted ? undefined : signal);
  const checked = await deadline.race(validate(schema, value)).finally(() => deadline[Symbol.dispose]());
  if (checked.issues === undefined) {
    const reply = { ...completion, parsed: checked.value as never };
    if (reasoning === undefined) return reply;
    const reasoning_content = message.reasoning_content ?? reasoning.trim();
    const choice = { ...first, message: { ...message, content: text, reasoning_content } };
    return { ...reply, choices: [choice, ...others] };
  }
  const fields = reader.redact({ completion, issues: checked.issues });
  throw new OutputValidationError(
    `The reply does not match the schema: ${issuesText(fields.issues)}.`,
    fields,
  );
}

function readReply(text: string): unknown {
  return parseJson(text) ?? parseJson(FENCE.exec(text)?.[2]?.trim() ?? text);
}
