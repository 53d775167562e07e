/**
 * Handles jobs of a queue that delivers a job again until it is acknowledged (SQS, BullMQ, Pub/Sub). Each job has a
 * deadline; temporary failures are retried until then, and permanent ones are set aside.
 *
 * `ChatClient` repeats requests by itself for a few seconds. The queue takes care of longer failures.
 */
import { ChatClient, type ChatMessage } from 'drun-sdk/chat';
import { isDrunError } from 'drun-sdk/errors';

export interface Job {
  readonly messages: readonly ChatMessage[];
  /** Time in milliseconds after which nobody needs the reply. */
  readonly deadline: number;
  /** How often the job was delivered, from 1. */
  readonly delivery: number;
}

export type Outcome =
  | { readonly status: 'done'; readonly reply: string }
  /** Deliver the job again after `delayMs`. */
  | { readonly status: 'retry'; readonly delayMs: number }
  /** Move the job to the dead-letter queue. `reason` contains neither the prompt nor a credential. */
  | { readonly status: 'failed'; readonly reason: string };

const chat = new ChatClient({ apiKey: () => process.env.DRUN_API_KEY ?? '' });

/** Failures that another attempt can resolve: of the service, of the network, and a key that is being replaced. */
const TEMPORARY = new Set([
  'rate_limited',
  'server_error',
  'connection_failed',
  'timeout',
  'stream_failed',
  'stream_truncated',
  'authentication_failed',
  'insufficient_quota',
]);

export async function handle({ messages, deadline, delivery }: Job): Promise<Outcome> {
  const timeLeft = deadline - Date.now();
  if (timeLeft <= 0) return { status: 'failed', reason: 'deadline_exceeded' };
  try {
    // A stream, because `idleTimeoutMs` then detects a model that has stopped, long before the deadline.
    const stream = chat.stream(
      { model: 'public/deepseek-r1', messages },
      { signal: AbortSignal.timeout(timeLeft) },
    );
    const { choices } = await stream.completion();
    return { status: 'done', reply: choices[0].message.content ?? '' };
  } catch (error) {
    if (!isDrunError(error)) {
      // The signal's reason, if the deadline has passed.
      if (Date.now() >= deadline) return { status: 'failed', reason: 'deadline_exceeded' };
      throw error;
    }
    if (!TEMPORARY.has(error.code)) return { status: 'failed', reason: error.code };
    const backoffMs = Math.min(1000 * 2 ** delivery, 300_000) * (0.5 + Math.random() / 2);
    const delayMs = Math.round(('retryAfterMs' in error && error.retryAfterMs) || backoffMs);
    if (Date.now() + delayMs >= deadline) return { status: 'failed', reason: error.code };
    return { status: 'retry', delayMs };
  }
}
