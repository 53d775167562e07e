import { isRecord } from '../../internal/json.ts';
import { isIterable } from '../http.ts';
import { delta as deltaSchema, reply as replySchema } from '../scenario.ts';
import type {
  ChatRequest,
  EmulatedCompletion,
  EmulatedDelta,
  EmulatedReply,
  EmulatedToolCall,
  Reply,
} from './reply.ts';
import { CHARACTERS_PER_TOKEN, lengthOf, promptTokens } from './tokens.ts';

/** One chunk of a reply in the emulator's own format. */
export interface Piece extends EmulatedDelta {
  readonly refusal?: string | undefined;
  /** The stop string that ended the reply. */
  readonly stopReason?: string | undefined;
}

/** A reply that the emulator converts to wire format. */
export type ScriptedReply = string | AsyncIterable<unknown> | EmulatedReply;

export function isReply(value: unknown): value is Reply {
  return replySchema.safeParse(value).success;
}

function isDelta(value: unknown): value is string | EmulatedDelta {
  return deltaSchema.safeParse(value).success;
}

export function isCompletion(reply: unknown): reply is EmulatedCompletion {
  return isRecord(reply) && 'choices' in reply;
}

/** Returns whether a reply or any of its chunks is in wire format and therefore sent regardless of the request. */
export function isWire(reply: Reply): boolean {
  if (isCompletion(reply)) return true;
  const { chunks = [] } = reply as EmulatedReply;
  return chunks.some((chunk) => isCompletion(chunk));
}

/** Maximum number of chunks into which a text is split. */
const CHUNKS = 4;

/** Splits a text into chunks without splitting characters. */
function cut(text: string): string[] {
  const size = Math.max(1, Math.ceil(lengthOf(text) / CHUNKS));
  return text.match(new RegExp(`[\\s\\S]{1,${size}}`, 'gu')) ?? [];
}

/**
 * Yields the chunks of a reply, limited by `stop`, the request's token limit and the model's context length. Only the
 * last chunk has a finish reason.
 */
export async function* limitedPieces(
  reply: ScriptedReply,
  request: ChatRequest,
  contextLength: number,
): AsyncGenerator<Piece, void, undefined> {
  const requested = request.max_completion_tokens ?? request.max_tokens;
  const available = contextLength - promptTokens(request.messages);
  let budget =
    Math.min(typeof requested === 'number' ? requested : available, available) * CHARACTERS_PER_TOKEN;
  /** Returns the part of a text that fits into the token budget, or `undefined` if the budget is used up. */
  const take = (text: string | undefined): string | undefined => {
    if (text === undefined || text === '') return text;
    const characters = [...text];
    const taken = characters.slice(0, Math.max(0, budget)).join('');
    budget -= characters.length;
    return taken === '' ? undefined : taken;
  };
  const stops = [request.stop ?? []].flat().filter((text) => text !== '') as string[];
  // Like vLLM, hold back text that may begin a stop string: one character less than the longest stop string.
  const heldBack = Math.max(1, ...stops.map((stop) => stop.length)) - 1;
  let held = '';
  let hasCalls = false;
  for await (const piece of piecesOf(reply)) {
    held += piece.content ?? '';
    hasCalls ||= piece.toolCalls !== undefined;
    const positions = stops.map((stop) => [held.indexOf(stop), stop] as const);
    const [found] = positions.filter(([position]) => position >= 0).sort(([a], [b]) => a - b);
    const end = found?.[0] ?? (piece.finishReason ? held.length : Math.max(0, held.length - heldBack));
    const text = end === 0 && piece.content !== '' ? undefined : held.slice(0, end);
    held = held.slice(end);
    const reasoning = take(piece.reasoning);
    const content = take(text);
    const toolCalls = piece.toolCalls?.map((call) => ({ ...call, arguments: take(call.arguments) }));
    const stopReason = budget < 0 ? undefined : found?.[1];
    const finishReason = budget < 0 ? 'length' : found ? 'stop' : piece.finishReason;
    yield { ...piece, reasoning, content, toolCalls, finishReason, stopReason };
    if (finishReason !== undefined) return;
  }
  const content = held === '' ? undefined : take(held);
  yield { content, finishReason: budget < 0 ? 'length' : hasCalls ? 'tool_calls' : 'stop' };
}

/** The chunks of a reply, without limits. */
export async function* piecesOf(reply: ScriptedReply): AsyncGenerator<Piece, void, undefined> {
  if (isIterable(reply)) {
    for await (const chunk of reply) {
      if (!isDelta(chunk))
        throw new TypeError('createEmulator: an async iterable `reply` must yield strings or deltas.');
      yield typeof chunk === 'string' ? { content: chunk } : chunk;
    }
    return;
  }
  const whole: EmulatedReply = typeof reply === 'string' ? { content: reply } : reply;
  const { chunks = [], reasoning = '', content, refusal, toolCalls = [], finishReason } = whole;
  if (refusal !== undefined) yield { refusal };
  for (const chunk of chunks as readonly (string | EmulatedDelta)[]) {
    yield typeof chunk === 'string' ? { content: chunk } : chunk;
  }
  for (const text of cut(reasoning)) yield { reasoning: text };
  for (const text of content === '' ? [content] : cut(content ?? '')) yield { content: text };
  for (const [index, { name, id, arguments: given = '{}' }] of toolCalls.entries()) {
    yield { toolCalls: [{ index, name, id }] };
    for (const text of cut(argumentsOf(given))) yield { toolCalls: [{ index, arguments: text }] };
  }
  if (finishReason !== undefined) yield { finishReason };
}

function argumentsOf(given: NonNullable<EmulatedToolCall['arguments']>): string {
  return typeof given === 'string' ? given : JSON.stringify(given);
}
