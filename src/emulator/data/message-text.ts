import type { EmulatedMessage } from './reply.ts';

/** The text of a message's content; that of its parts one after the other. */
export function textOf(content: EmulatedMessage['content']): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map(({ text }) => (typeof text === 'string' ? text : '')).join('');
}
