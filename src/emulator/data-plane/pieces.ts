import { isIterable, isObject } from '../http.ts';
import { delta as deltaSchema, reply as replySchema } from '../scenario.ts';
import type {
  ChatRequest,
  EmulatedChunk,
  EmulatedCompletion,
  EmulatedDelta,
  EmulatedReply,
  EmulatedToolCall,
  Reply,
} from './reply.ts';
import { CHARACTERS_PER_TOKEN, promptTokens } from './tokens.ts';

/** One chunk of a reply in the emulator's own format. */
export interface Piece extends EmulatedDelta {
  readonly refusal?: string | undefined;
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
  return isObject(reply) && 'choices' in reply;
}

/** Whether the chunks of a reply are in wire format. */
export function isWireStream(reply: Reply): reply is { readonly chunks: readonly EmulatedChunk[] } {
  return (
    typeof reply === 'object' &&
    'chunks' in reply &&
    (reply.chunks as object[]).some((chunk) => isCompletion(chunk))
  );
}

/** How a reply ended. */
export interface Ending {
  /** Default: depends on whether the reply has tool calls. */
  finishReason?: string | undefined;
  /** The stop string that ended the reply. */
  stopReason: string | null;
}

/** Number of chunks that text is split into for a stream. */
const CHUNKS = 4;

/** Splits text into chunks without splitting characters. */
function cut(text: string): string[] {
  const characters = [...text];
  const size = Math.max(1, Math.ceil(characters.length / CHUNKS));
  const starts = Array.from({ length: Math.ceil(characters.length / size) }, (_, chunk) => chunk * size);
  return starts.map((start) => characters.slice(start, start + size).join(''));
}

/** Yields the chunks of a reply, limited by `stop`, the token limit of the request and the model's context length. */
export async function* limitedPieces(
  reply: ScriptedReply,
  request: ChatRequest,
  contextLength: number,
  ending: Ending,
): AsyncGenerator<Piece, void, undefined> {
  const requested = request.max_completion_tokens ?? request.max_tokens;
  const available = contextLength - promptTokens(request.messages);
  let budget =
    Math.min(typeof requested === 'number' ? requested : available, available) * CHARACTERS_PER_TOKEN;
  /** Returns the part of a text within the budget; `undefined` if the budget is used up. */
  const take = (text: string | undefined): string | undefined => {
    if (text === undefined || text === '') return text;
    const characters = [...text];
    const taken = characters.slice(0, Math.max(0, budget)).join('');
    budget -= characters.length;
    return taken === '' ? undefined : taken;
  };
  const stop = new StopStrings(request.stop);
  for await (const piece of piecesOf(reply, ending)) {
    yield {
      ...piece,
      reasoning: take(piece.reasoning),
      content: take(stop.read(piece.content)),
      toolCalls: piece.toolCalls?.map((call) => ({ ...call, arguments: take(call.arguments) })),
    };
    if (budget < 0) break;
    if (stop.found === undefined) continue;
    ending.finishReason = 'stop';
    ending.stopReason = stop.found;
    return;
  }
  if (stop.held !== '') yield { content: take(stop.held) };
  if (budget < 0) ending.finishReason = 'length';
}

/**
 * Holds back the end of a text, because it may be the start of a stop string. Like vLLM, it holds back one character
 * less than the length of the longest stop string.
 */
class StopStrings {
  readonly #stop: readonly string[];
  held = '';
  /** The stop string that occurred. */
  found: string | undefined;

  constructor(stop: unknown) {
    this.#stop = [stop ?? []]
      .flat()
      .map(String)
      .filter((text) => text !== '');
  }

  /** Returns the text that cannot be part of a stop string; `undefined` if there is none. */
  read(content: string | undefined): string | undefined {
    if (content === undefined || content === '' || this.#stop.length === 0) return content;
    const text = this.held + content;
    const positions = this.#stop.map((each) => [text.indexOf(each), each] as const);
    const [first] = positions.filter(([position]) => position >= 0).sort(([a], [b]) => a - b);
    this.found = first?.[1];
    const longest = Math.max(...this.#stop.map((each) => each.length));
    const end = first?.[0] ?? Math.max(0, text.length - longest + 1);
    this.held = text.slice(end);
    return end === 0 ? undefined : text.slice(0, end);
  }
}

async function* piecesOf(reply: ScriptedReply, ending: Ending): AsyncGenerator<Piece, void, undefined> {
  if (isIterable(reply)) {
    for await (const chunk of reply) {
      if (!isDelta(chunk))
        throw new TypeError('createEmulator: an iterable `reply` must yield strings or deltas.');
      yield typeof chunk === 'string' ? { content: chunk } : chunk;
    }
    return;
  }
  const {
    chunks,
    reasoning = '',
    content,
    refusal,
    toolCalls = [],
    finishReason,
  } = typeof reply === 'string' ? { content: reply } : reply;
  ending.finishReason = finishReason;
  if (refusal !== undefined) yield { refusal };
  for (const chunk of (chunks ?? []) as readonly (string | EmulatedDelta)[]) {
    yield typeof chunk === 'string' ? { content: chunk } : chunk;
  }
  for (const text of cut(reasoning)) yield { reasoning: text };
  for (const text of content === '' ? [content] : cut(content ?? '')) yield { content: text };
  for (const [index, { name, id, arguments: given = '{}' }] of toolCalls.entries()) {
    yield { toolCalls: [{ index, name, id }] };
    for (const text of cut(argumentsOf(given))) yield { toolCalls: [{ index, arguments: text }] };
  }
}

/** Returns the arguments of a tool call in wire format. */
export function argumentsOf(given: NonNullable<EmulatedToolCall['arguments']>): string {
  return typeof given === 'string' ? given : JSON.stringify(given);
}
