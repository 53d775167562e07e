/**
 * Handles jobs from a queue that redelivers a job until it is acknowledged (SQS, BullMQ, Pub/Sub). Each job has a
 * deadline. Temporary failures are retried until then. Jobs that fail permanently go to the dead-letter queue.
 *
 * `ChatClient` itself retries for a few seconds. The queue handles longer outages.
 */
import { ChatClient, type ChatMessage } from 'drun-sdk/chat';
import { isDrunError } from 'drun-sdk/errors';

export interface Job {
  readonly messages: readonly ChatMessage[];
  /** Time after which the reply is no longer needed, in milliseconds since the Unix epoch. */
  readonly deadline: number;
  /** How many times the job has been delivered, starting at 1. */
  readonly delivery: number;
}

export type Outcome =
  | { readonly status: 'done'; readonly reply: string }
  /** Deliver the job again after `delayMs`. */
  | { readonly status: 'retry'; readonly delayMs: number }
  /** Move the job to the dead-letter queue. `reason` contains neither the prompt nor a credential. */
  | { readonly status: 'failed'; readonly reason: string };

const chat = new ChatClient({ apiKey: () => process.env.DRUN_API_KEY ?? '' });

/** Failures that may be temporary, including those caused by a key that is being replaced or by an exhausted quota. */
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
    // With a stream, `idleTimeoutMs` detects a stalled model long before the deadline.
    const stream = chat.stream(
      { model: 'public/deepseek-r1', messages },
      { signal: AbortSignal.timeout(timeLeft) },
    );
    const { choices } = await stream.completion();
    return { status: 'done', reply: choices[0].message.content ?? '' };
  } catch (error) {
    if (!isDrunError(error)) {
      // After the deadline, the error is the signal's reason.
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
