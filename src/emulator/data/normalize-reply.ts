import { HEXADECIMAL, type RandomText } from '../random.ts';
import {
  type ChatRequest,
  type EmulatedChoice,
  type EmulatedCompletion,
  type EmulatedReply,
  type EmulatedToolCall,
  isIterable,
  type Reply,
} from './reply.ts';

/** A reply in one of the forms that completions are built from. */
export type NormalizedReply = string | AsyncIterable<string> | EmulatedCompletion;

export function normalizeReply(reply: Reply, request: ChatRequest, generate: RandomText): NormalizedReply {
  if (isIterable(reply)) return textsOf(reply);
  if (typeof reply === 'string' || isCompletion(reply)) return reply;
  return { choices: Array.from({ length: requestedChoices(request) }, () => choiceOf(reply, generate)) };
}

/** The pieces of a reply. One that is no text would be a stream that breaks the contract, and nobody would know why. */
async function* textsOf(pieces: AsyncIterable<unknown>): AsyncGenerator<string, void, undefined> {
  for await (const piece of pieces) {
    if (typeof piece !== 'string') throw new TypeError('createEmulator: `reply` must give texts');
    yield piece;
  }
}

/** How many answers a request wants, where the reply does not say itself. */
export function requestedChoices({ n }: ChatRequest): number {
  return typeof n === 'number' ? n : 1;
}

export function isCompletion(reply: Reply): reply is EmulatedCompletion {
  return typeof reply === 'object' && 'choices' in reply;
}

function choiceOf(reply: EmulatedReply, generate: RandomText): EmulatedChoice {
  const { reasoning, content, toolCalls, finishReason } = reply;
  const calls = toolCalls?.map((call) => wireToolCall(call, generate));
  const message = {
    ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
    content: content ?? null,
    ...(calls === undefined ? {} : { tool_calls: calls }),
  };
  return { message, finish_reason: finishReason ?? (calls ? 'tool_calls' : 'stop') };
}

/** Ids have vLLM's form. Clients tell the calls of several rounds apart by them, so each one is unique. */
function wireToolCall(call: EmulatedToolCall, generate: RandomText): object {
  const { name, arguments: given = '{}', id = `chatcmpl-tool-${generate(HEXADECIMAL, 16)}` } = call;
  const text = typeof given === 'string' ? given : JSON.stringify(given);
  return { id, type: 'function', function: { name, arguments: text } };
}
