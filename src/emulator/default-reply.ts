import { textOf } from './message-text.ts';
import type { ReplyContext } from './reply.ts';

/** Says what the last user message said. */
export function repeatLastUserMessage({ request }: ReplyContext): string {
  return textOf(request.messages.findLast(({ role }) => role === 'user')?.content);
}
