import { isObject } from '../http.ts';
import type { EmulatedChoice, EmulatedCompletion } from './reply.ts';

/** A choice with everything filled in. */
export type CompleteChoice = EmulatedChoice & {
  readonly index: number;
  readonly finish_reason: string | null;
};

/** What one chunk adds to a choice. */
export interface Delta {
  readonly index: number;
  readonly delta: Readonly<Record<string, unknown>>;
  readonly finish_reason: string | null;
  readonly [field: string]: unknown;
}

/** Into how many pieces a text is cut for a stream. */
const PIECES = 4;

export function completeChoice(choice: EmulatedChoice, position: number): CompleteChoice {
  const { index = position, message, finish_reason = 'stop', ...rest } = choice;
  return { index, message: { role: 'assistant', ...message }, finish_reason, ...rest };
}

/** @param count - How many choices say the same. */
export async function* textDeltas(
  text: string | AsyncIterable<string>,
  count: number,
): AsyncGenerator<Delta, void, undefined> {
  const indexes = Array.from({ length: count }, (_, index) => index);
  for (const index of indexes) yield added(index, { role: 'assistant', content: '' });
  for await (const content of typeof text === 'string' ? cut(text) : text) {
    for (const index of indexes) yield added(index, { content });
  }
  for (const index of indexes) yield { index, delta: {}, finish_reason: 'stop' };
}

export function* deltasOf({ choices }: EmulatedCompletion): Generator<Delta, void, undefined> {
  for (const choice of choices.map(completeChoice)) {
    const { index, message, finish_reason, ...rest } = choice;
    const { role, ...said } = message;
    yield added(index, { role, content: said.content === null ? null : '' });
    for (const [field, value] of Object.entries(said)) {
      for (const part of partsOf(field, value)) yield added(index, { [field]: part });
    }
    yield { ...rest, index, delta: {}, finish_reason };
  }
}

function added(index: number, delta: Readonly<Record<string, unknown>>): Delta {
  return { index, delta, finish_reason: null };
}

function* partsOf(field: string, value: unknown): Generator<unknown, void, undefined> {
  if (typeof value === 'string') yield* cut(value);
  else if (field === 'tool_calls' && Array.isArray(value)) yield* toolCallParts(value);
  else if (value !== null) yield value;
}

/** In a stream every part says which call it belongs to, and the arguments come in pieces after the rest. */
function* toolCallParts(calls: readonly unknown[]): Generator<unknown[], void, undefined> {
  for (const [index, call] of calls.entries()) {
    const asked = isObject(call) && isObject(call.function) ? call.function : undefined;
    if (!isObject(call) || typeof asked?.arguments !== 'string') {
      yield [isObject(call) ? { index, ...call } : call];
      continue;
    }
    yield [{ index, ...call, function: { ...asked, arguments: '' } }];
    for (const piece of cut(asked.arguments)) yield [{ index, function: { arguments: piece } }];
  }
}

/** Never through the middle of a character. */
function cut(text: string): string[] {
  const characters = [...text];
  const size = Math.ceil(characters.length / PIECES);
  return Array.from({ length: Math.min(PIECES, characters.length) }, (_, piece) =>
    characters.slice(piece * size, (piece + 1) * size).join(''),
  ).filter((piece) => piece !== '');
}
