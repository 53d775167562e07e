import { isRecord } from '../internal/json.ts';
import { readFinishReason } from './finish-reason.ts';

/*
 * Servers deviate from OpenAI's format in many small ways. This module normalizes everything they send, so that the
 * accumulator and readers see only the documented types. Values are changed in place, as nothing else refers to them.
 */

export type Fields = Record<string, unknown>;

/** Message fields that contain text. */
export const TEXTS: readonly string[] = ['content', 'reasoning_content', 'reasoning', 'refusal'];

/** A choice returned by {@link normalizeChunk}. In a whole response, it has a `message` instead of a `delta`. */
export interface NormalChoice extends Fields {
  index: number;
  delta?: Fields;
  message?: Fields;
  finish_reason?: string | null;
}

export type NormalChunk = Fields & { choices: NormalChoice[] };

/** Normalizes a chunk of a stream, or a whole response. */
export function normalizeChunk(chunk: Fields): NormalChunk {
  const { choices, created } = chunk;
  if (created !== undefined) chunk.created = toNumber(created);
  if (!Array.isArray(choices) || !choices.every(isRecord)) chunk.choices = [choices].flat().filter(isRecord);
  const normal = chunk as NormalChunk;
  normal.choices.forEach(normalizeChoice);
  // Moonshot sends `usage` inside the choice.
  const usage = chunk.usage ?? normal.choices[0]?.usage;
  if (typeof usage === 'object' && usage !== null) chunk.usage = normalizeUsage(usage);
  return normal;
}

function normalizeChoice(choice: NormalChoice, position: number): void {
  const { index, finish_reason, delta, message, text } = choice as Fields;
  const number = toNumber(index);
  choice.index = typeof number === 'number' ? number : position;
  if (finish_reason !== undefined) choice.finish_reason = readFinishReason(finish_reason);
  if (delta !== undefined) normalizeMessage(choice, 'delta', delta);
  if (message !== undefined) normalizeMessage(choice, 'message', message);
  // The legacy completions endpoint uses `text`.
  if (typeof text === 'string' && choice.delta === undefined && choice.message === undefined) {
    choice.delta = { content: text };
    delete choice.text;
  }
}

/** Normalizes the delta of a choice or, in a whole response, its message. */
function normalizeMessage(choice: NormalChoice, field: 'delta' | 'message', message: unknown): void {
  if (!isRecord(message)) {
    if (typeof message === 'string') choice[field] = { content: message };
    else delete choice[field];
    return;
  }
  for (const name in message) {
    const value = message[name];
    if (value === null || (typeof value === 'string' && name !== 'tool_calls')) continue;
    if (name === 'content' && Array.isArray(value)) {
      message.content = null;
      for (const part of value) addPart(message, part);
    } else if (TEXTS.includes(name)) {
      message[name] = value === false ? null : toText(value);
    } else if (name === 'function_call' && isRecord(value)) {
      normalizeArguments(value);
      // Some servers add an empty `function_call` to every message.
      if (!hasText(value)) message.function_call = null;
    } else if (name === 'tool_calls') {
      message.tool_calls = [value].flat().filter(isRecord).map(normalizeCall);
    }
  }
}

function normalizeCall(call: Fields): Fields {
  const { name, arguments: text, ...fields } = call;
  // Cloudflare Workers AI sends the name and the arguments without a `function`.
  const isFlat = call.type !== 'custom' && !isRecord(call.function) && (name ?? text ?? null) !== null;
  const normal = isFlat ? { ...fields, function: { name, arguments: text } } : call;
  if (isRecord(normal.function)) normalizeArguments(normal.function);
  return normal;
}

/** Converts the arguments to JSON text. Some servers send an object instead. */
function normalizeArguments(call: Fields): void {
  const { arguments: text } = call;
  if (text !== undefined && text !== null && typeof text !== 'string') call.arguments = JSON.stringify(text);
}

/** Adds an item from a `content` array to the corresponding field of the message. */
function addPart(message: Fields, part: unknown): void {
  const { type = 'text', ...rest } = isRecord(part) ? part : { text: part };
  const isReasoning = type === 'thinking' || type === 'reasoning';
  const field = isReasoning ? 'reasoning_content' : type === 'refusal' ? 'refusal' : 'content';
  const isText = field !== 'content' || type === 'text' || type === 'output_text';
  const names = ['thinking', 'reasoning', 'summary', 'refusal', 'text'];
  const name = isText && names.find((one) => rest[one] !== undefined && rest[one] !== null);
  if (name) {
    message[field] = toText(message[field] ?? '') + toText(rest[name]);
    delete rest[name];
  }
  // Signatures, images and references have no corresponding field.
  if (!isText || hasText(rest))
    message.content_parts = [message.content_parts ?? [], { type, ...rest }].flat();
}

/** Whether a value is or contains a non-empty string. */
function hasText(value: unknown): boolean {
  if (typeof value === 'string') return value !== '';
  return typeof value === 'object' && value !== null && Object.values(value).some(hasText);
}

/** Returns the text of a string, or of an array of strings and text parts. Converts other values to JSON. */
function toText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return JSON.stringify(value) ?? '';
  return value.map((part) => toText(isRecord(part) && part.text !== undefined ? part.text : part)).join('');
}

/** Normalizes `usage`. Some servers send an array of usage objects, or numbers as strings. */
function normalizeUsage(usage: object): Fields | null {
  const record = [usage].flat().find(isRecord);
  for (const name in record) {
    const value = record[name];
    if (isRecord(value)) normalizeUsage(value);
    else if (name.endsWith('_tokens')) record[name] = toNumber(value);
  }
  return record ?? null;
}

function toNumber(value: unknown): unknown {
  return typeof value === 'string' && /^\s*-?\d+(?:\.\d+)?\s*$/.test(value) ? Number(value) : value;
}
