import type { HttpClient } from '../http/client.ts';
import { Deadline } from '../http/deadline.ts';
import { COMPLETIONS, COMPLETIONS_LABEL } from './ask-for-completion.ts';
import { ChatStream, type StreamConnection } from './chat-stream.ts';
import { openChunkSource } from './chunk-source.ts';
import type { ChatCompletion } from './completion.ts';
import type { AnySchemaOptions, ChatStreamOptions } from './options.ts';
import type { ChatStreamRequest } from './request.ts';
import { withParsed } from './structured-output.ts';
import { checkOneChoice, checkRequest, wireRequest } from './wire-request.ts';

/**
 * A stream that sends its request when its first piece is asked for.
 *
 * @param idleTimeoutMs - How long the next chunk may take; without a limit where it is undefined.
 */
export function openStream(
  http: HttpClient,
  request: ChatStreamRequest,
  options: ChatStreamOptions & AnySchemaOptions,
  idleTimeoutMs: number | undefined,
): ChatStream {
  let deadline: Deadline | undefined;
  /** For the time before the request is sent, in which no limit counts. */
  let waiting: Deadline | undefined;
  let aborted: { readonly reason: unknown } | undefined;
  const stream = new ChatStream({
    open: async () => {
      deadline = http.deadline(options);
      const { signal } = deadline;
      if (aborted) deadline.abort(aborted.reason);
      // Also while nobody asks for a piece: somebody may be waiting for the completion.
      signal.addEventListener('abort', () => stream.abort(signal.reason), { once: true });
      const body = await wireRequest(request, options);
      return http.request(
        {
          ...COMPLETIONS,
          body: { ...body, stream: true },
          accept: 'text/event-stream',
          decode: (response, context) => openChunkSource(response, idleTimeoutMs, context),
        },
        deadline,
        options,
      );
    },
    watch: () => {
      if (deadline !== undefined || waiting !== undefined) return;
      waiting = new Deadline(options.signal);
      const { signal } = waiting;
      const end = (): void => stream.abort(signal.reason);
      if (signal.aborted) end();
      else signal.addEventListener('abort', end, { once: true });
    },
    abort: (reason) => {
      aborted = { reason };
      deadline?.abort(reason);
    },
    close: () => {
      deadline?.[Symbol.dispose]();
      waiting?.[Symbol.dispose]();
    },
    complete: completionOf(request, options),
  });
  return stream;
}

/** What is made of the chunks put together. */
function completionOf(
  request: ChatStreamRequest,
  { schema, signal }: ChatStreamOptions & AnySchemaOptions,
): StreamConnection<ChatCompletion>['complete'] {
  checkRequest(request);
  if (schema === undefined) return (completion) => completion;
  checkOneChoice(request);
  return (completion) => withParsed(completion, schema, COMPLETIONS_LABEL, signal);
}
