import { textOf } from './message-text.ts';
import {
  type ChatRequest,
  type EmulatedChoice,
  type EmulatedCompletion,
  isIterable,
  type Reply,
} from './reply.ts';
import { TokenMeter } from './token-meter.ts';

/** What an answer and every chunk of it begin with. */
export interface CompletionHead {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly model: string;
}

interface Delta {
  readonly index: number;
  readonly delta: Readonly<Record<string, unknown>>;
  readonly finish_reason: string | null;
}

/** Into how many pieces a text is cut for a stream. */
const PIECES = 4;

/** The answer as one object. */
export async function completion(reply: Reply, request: ChatRequest, head: CompletionHead): Promise<object> {
  const { choices, ...fields } = isCompletion(reply)
    ? reply
    : { choices: [{ message: { content: await whole(reply) } }] };
  const meter = new TokenMeter();
  for (const { message } of choices) addTexts(meter, message);
  return {
    ...head,
    object: 'chat.completion',
    choices: choices.map(complete),
    usage: usage(request, meter),
    ...fields,
  };
}

/**
 * The answer as the data of a stream's events: for every choice a role, the content in pieces and the reason to
 * finish; then the usage, asked for or not; then the end mark.
 */
export async function* completionEvents(
  reply: Reply,
  request: ChatRequest,
  head: CompletionHead,
): AsyncGenerator<string, void, undefined> {
  const { choices: _, usage: ownUsage, ...fields } = isCompletion(reply) ? reply : { choices: [] };
  const chunk = (choices: readonly Delta[], more?: object): string =>
    JSON.stringify({ ...head, ...fields, object: 'chat.completion.chunk', choices, ...more });

  const meter = new TokenMeter();
  for await (const delta of isCompletion(reply) ? choiceDeltas(reply) : textDeltas(reply)) {
    addTexts(meter, delta.delta);
    yield chunk([delta]);
  }
  yield chunk([], { usage: ownUsage ?? usage(request, meter) });
  yield '[DONE]';
}

async function* textDeltas(text: string | AsyncIterable<string>): AsyncGenerator<Delta, void, undefined> {
  yield { index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null };
  for await (const content of typeof text === 'string' ? cut(text) : text) {
    yield { index: 0, delta: { content }, finish_reason: null };
  }
  yield { index: 0, delta: {}, finish_reason: 'stop' };
}

function* choiceDeltas(reply: EmulatedCompletion): Generator<Delta, void, undefined> {
  for (const choice of reply.choices.map(complete)) {
    const { index, message, finish_reason, ...rest } = choice;
    const { role, ...said } = message;
    yield { index, delta: { role, content: '' }, finish_reason: null };
    for (const [field, value] of Object.entries(said)) {
      for (const part of typeof value === 'string' ? cut(value) : [value]) {
        yield {
          index,
          delta: { [field]: field === 'tool_calls' ? numbered(part) : part },
          finish_reason: null,
        };
      }
    }
    yield { ...rest, index, delta: {}, finish_reason };
  }
}

/** In a stream every tool call says which one it continues. */
function numbered(toolCalls: unknown): unknown {
  return Array.isArray(toolCalls) ? toolCalls.map((call, index) => ({ index, ...call })) : toolCalls;
}

type CompleteChoice = EmulatedChoice & { readonly index: number; readonly finish_reason: string | null };

function complete(choice: EmulatedChoice, position: number): CompleteChoice {
  const { index = position, message, finish_reason = 'stop', ...rest } = choice;
  return { index, message: { role: 'assistant', ...message }, finish_reason, ...rest };
}

function isCompletion(reply: Reply): reply is EmulatedCompletion {
  return typeof reply !== 'string' && !isIterable(reply);
}

async function whole(text: string | AsyncIterable<string>): Promise<string> {
  if (typeof text === 'string') return text;
  let joined = '';
  for await (const piece of text) joined += piece;
  return joined;
}

/** Never through the middle of a character. */
function cut(text: string): string[] {
  const characters = [...text];
  const size = Math.ceil(characters.length / PIECES);
  return Array.from({ length: Math.min(PIECES, characters.length) }, (_, piece) =>
    characters.slice(piece * size, (piece + 1) * size).join(''),
  ).filter((piece) => piece !== '');
}

/** Whatever a message or a delta says: its content, its reasoning, a refusal. */
function addTexts(meter: TokenMeter, { role: _, ...said }: Readonly<Record<string, unknown>>): void {
  for (const text of Object.values(said)) if (typeof text === 'string') meter.add(text);
}

function usage(request: ChatRequest, answer: TokenMeter): object {
  const prompt = new TokenMeter();
  for (const { content } of request.messages) prompt.add(textOf(content));
  return {
    prompt_tokens: prompt.tokens,
    completion_tokens: answer.tokens,
    total_tokens: prompt.tokens + answer.tokens,
  };
}
