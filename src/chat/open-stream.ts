import { CallScope } from '../http/call-scope.ts';
import type { Transport } from '../http/transport.ts';
import { COMPLETIONS } from './ask-for-completion.ts';
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
  transport: Transport,
  request: ChatStreamRequest,
  options: ChatStreamOptions & AnySchemaOptions,
  idleTimeoutMs: number | undefined,
): ChatStream {
  let scope: CallScope | undefined;
  /** For the time before the request is sent, in which no limit counts. */
  let waiting: CallScope | undefined;
  let aborted: { readonly reason: unknown } | undefined;
  const stream = new ChatStream({
    open: async () => {
      scope = transport.scope(options);
      const { signal } = scope;
      if (aborted) scope.abort(aborted.reason);
      // Also while nobody asks for a piece: somebody may be waiting for the completion.
      signal.addEventListener('abort', () => stream.abort(signal.reason), { once: true });
      const body = await wireRequest(request, options);
      return transport.perform(
        {
          ...COMPLETIONS,
          body: { ...body, stream: true },
          accept: 'text/event-stream',
          receive: (response, context, callScope) =>
            openChunkSource(response, idleTimeoutMs, context, callScope),
        },
        scope,
        options,
        options.apiKey,
      );
    },
    watch: () => {
      if (scope !== undefined || waiting !== undefined) return;
      waiting = new CallScope(options.signal, undefined);
      const { signal } = waiting;
      const end = (): void => stream.abort(signal.reason);
      if (signal.aborted) end();
      else signal.addEventListener('abort', end, { once: true });
    },
    abort: (reason) => {
      aborted = { reason };
      scope?.abort(reason);
    },
    close: () => {
      scope?.dispose();
      waiting?.dispose();
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
  return (completion) => withParsed(completion, schema, COMPLETIONS.label, signal);
}
