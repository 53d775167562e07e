import { isRecord } from '../internal/json.ts';
import type { ChatCompletionChunk } from './chunk.ts';
import { readFinishReason } from './finish-reason.ts';

/*
 * Servers deviate from OpenAI's format in many small ways. What arrives is brought into one form here, so that the
 * accumulator and the readers see the documented types only. Everything is changed in place: the value was just parsed,
 * and nothing else refers to it.
 */

export type Fields = Record<string, unknown>;

/** A choice of a chunk after {@link normalizeChunk}. `message` is what a whole response has in place of `delta`. */
export interface NormalChoice extends Fields {
  index: number;
  delta?: Fields;
  message?: Fields;
  finish_reason?: string | null;
}

/** A chunk after {@link normalizeChunk}. A whole response is a chunk whose choices have a `message`. */
export type NormalChunk = Fields & { choices: NormalChoice[] };

/** Normalizes a chunk of a stream or a whole response. */
export function normalizeChunk(chunk: Fields): NormalChunk {
  const { choices, created, usage } = chunk;
  if (typeof created === 'string') chunk.created = toNumber(created);
  if (typeof usage === 'object' && usage !== null) chunk.usage = normalizeUsage(usage);
  if (!Array.isArray(choices)) chunk.choices = isRecord(choices) ? [choices] : [];
  else if (!choices.every(isRecord)) chunk.choices = choices.filter(isRecord);
  const normal = chunk as NormalChunk;
  for (let position = 0; position < normal.choices.length; position++) {
    normalizeChoice(normal.choices[position] as Fields, position);
  }
  return normal;
}

function normalizeChoice(choice: Fields, position: number): void {
  const { index, delta, message, text, finish_reason } = choice;
  if (typeof index !== 'number') {
    const number = typeof index === 'string' ? toNumber(index) : undefined;
    choice.index = typeof number === 'number' ? number : position;
  }
  if (finish_reason !== undefined && finish_reason !== null) {
    choice.finish_reason = readFinishReason(finish_reason);
  }
  if (isRecord(delta)) {
    normalizeMessage(delta);
  } else if (typeof delta === 'string') {
    choice.delta = { content: delta };
  } else if (delta !== undefined) {
    delete choice.delta;
  }
  if (isRecord(message)) {
    normalizeMessage(message);
  } else if (typeof message === 'string') {
    choice.message = { content: message };
  } else if (message !== undefined) {
    delete choice.message;
  }
  // The format of the older completions endpoint.
  if (typeof text === 'string' && choice.delta === undefined && choice.message === undefined) {
    choice.delta = { content: text };
    delete choice.text;
  }
}

/** Normalizes a message of a whole response, or a delta. */
function normalizeMessage(message: Fields): void {
  const { content, reasoning, reasoning_content, refusal, tool_calls, function_call } = message;
  if (Array.isArray(content)) {
    delete message.content;
    for (const part of content) addPart(message, part);
    message.content ??= null;
  } else if (content !== undefined && content !== null && typeof content !== 'string') {
    message.content = toText(content);
  }
  if (Array.isArray(reasoning_content)) message.reasoning_content = textOfParts(reasoning_content);
  else if (isRecord(reasoning_content)) message.reasoning_content = toText(reasoning_content);
  if (Array.isArray(reasoning)) message.reasoning = textOfParts(reasoning);
  else if (isRecord(reasoning)) message.reasoning = toText(reasoning);
  if (refusal !== undefined && refusal !== null && typeof refusal !== 'string') {
    message.refusal = refusal === false ? null : toText(refusal);
  }
  if (isRecord(function_call)) normalizeArguments(function_call);
  if (tool_calls === undefined || tool_calls === null) return;
  const calls = Array.isArray(tool_calls) ? tool_calls.filter(isRecord) : [tool_calls].filter(isRecord);
  for (const call of calls) if (isRecord(call.function)) normalizeArguments(call.function);
  message.tool_calls = calls;
}

/** Some servers send the arguments as an object instead of its JSON. */
function normalizeArguments(call: Fields): void {
  const { arguments: text } = call;
  if (text !== undefined && text !== null && typeof text !== 'string') call.arguments = JSON.stringify(text);
}

/** Adds a part of a `content` list to the field of the message that it belongs to. */
function addPart(message: Fields, part: unknown): void {
  if (typeof part === 'string') {
    append(message, 'content', part);
    return;
  }
  if (!isRecord(part)) return;
  const { type, ...rest } = part;
  if (typeof rest.text === 'string' && (type === undefined || type === 'text' || type === 'output_text')) {
    append(message, 'content', rest.text);
    delete rest.text;
  } else if (type === 'refusal' && typeof rest.refusal === 'string') {
    append(message, 'refusal', rest.refusal);
    delete rest.refusal;
  } else if (type === 'thinking' || type === 'reasoning') {
    const name = ['thinking', 'reasoning', 'text'].find((field) => rest[field] !== undefined);
    if (name !== undefined) append(message, 'reasoning_content', textOfParts(rest[name]));
    if (name !== undefined) delete rest[name];
  }
  // Signatures, images, references: kept as they are.
  if (!hasText(rest)) return;
  const parts = Array.isArray(message.content_parts) ? message.content_parts : [];
  message.content_parts = [...parts, { ...(type !== undefined && { type }), ...rest }];
}

/** Whether a value has any text in it. */
function hasText(value: unknown): boolean {
  if (typeof value === 'string') return value !== '';
  return typeof value === 'object' && value !== null && Object.values(value).some(hasText);
}

function append(message: Fields, name: string, text: string): void {
  const before = message[name];
  message[name] = typeof before === 'string' ? before + text : text;
}

/** The text of a string, or of a list of strings and text parts. */
function textOfParts(value: unknown): string {
  if (!Array.isArray(value)) return toText(value);
  return value
    .map((part) => (isRecord(part) && typeof part.text === 'string' ? part.text : toText(part)))
    .join('');
}

function toText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

/** Some servers send a list of usages, and numbers as strings. */
function normalizeUsage(usage: object): Fields | null {
  const record = Array.isArray(usage) ? usage.find(isRecord) : (usage as Fields);
  if (record === undefined) return null;
  for (const name in record) {
    const value = record[name];
    if (typeof value === 'string') record[name] = toNumber(value);
    else if (isRecord(value)) normalizeUsage(value);
  }
  return record;
}

/** The number that a string stands for, or else the string. */
function toNumber(text: string): number | string {
  return /^\s*-?\d+(?:\.\d+)?\s*$/.test(text) ? Number(text) : text;
}

/** A chunk as readers receive it: with a `delta` in every choice. */
export function toReadableChunk(chunk: NormalChunk): ChatCompletionChunk {
  for (const choice of chunk.choices) choice.delta ??= {};
  return chunk as unknown as ChatCompletionChunk;
}
