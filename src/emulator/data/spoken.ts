import {
  type ChatRequest,
  type EmulatedAnswer,
  type EmulatedChoice,
  type EmulatedCompletion,
  type EmulatedToolCall,
  isIterable,
  type Reply,
} from './reply.ts';

/** A reply in one of the two forms that answers are made of. */
export type Spoken = string | AsyncIterable<string> | EmulatedCompletion;

export function spoken(reply: Reply, request: ChatRequest): Spoken {
  if (isIterable(reply)) return textsOf(reply);
  if (typeof reply === 'string' || isCompletion(reply)) return reply;
  const choice = choiceOf(reply);
  return { choices: Array.from({ length: answersWanted(request) }, () => choice) };
}

/** The pieces of a reply. One that is no text would be a stream that breaks the contract, and nobody would know why. */
async function* textsOf(pieces: AsyncIterable<unknown>): AsyncGenerator<string, void, undefined> {
  for await (const piece of pieces) {
    if (typeof piece !== 'string') throw new TypeError('createEmulator: `reply` must give texts');
    yield piece;
  }
}

/** How many answers a request wants, where the reply does not say itself. */
export function answersWanted({ n }: ChatRequest): number {
  return typeof n === 'number' ? n : 1;
}

export function isCompletion(reply: Reply): reply is EmulatedCompletion {
  return typeof reply === 'object' && 'choices' in reply;
}

function choiceOf({ reasoning, content, toolCalls, finishReason }: EmulatedAnswer): EmulatedChoice {
  const calls = toolCalls?.map(wireToolCall);
  const message = {
    ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
    content: content ?? null,
    ...(calls === undefined ? {} : { tool_calls: calls }),
  };
  return { message, finish_reason: finishReason ?? (calls ? 'tool_calls' : 'stop') };
}

function wireToolCall(call: EmulatedToolCall, position: number): object {
  const { name, arguments: given = '{}', id = `call_${position + 1}` } = call;
  const text = typeof given === 'string' ? given : JSON.stringify(given);
  return { id, type: 'function', function: { name, arguments: text } };
}
