/**
 * What a `finish_reason` means, whatever a server calls it: the model finished, was cut off at a token limit, was
 * withheld by a filter or refused, or the server failed.
 */
export type FinishKind = 'finished' | 'cut' | 'withheld' | 'failed';

/** Words in lower case with underscores. Every other word means that the model finished. */
const KINDS: Readonly<Record<Exclude<FinishKind, 'finished'>, ReadonlySet<string>>> = {
  cut: new Set([
    'length',
    'max_length',
    'max_tokens',
    'max_new_tokens',
    'max_output_tokens',
    'max_completion_tokens',
    'token_limit',
    'model_length',
    'length_limit',
    'context_length',
    'context_length_exceeded',
    'model_context_window_exceeded',
    'error_limit',
    'incomplete',
  ]),
  withheld: new Set([
    'content_filter',
    'content_filtered',
    'filtered',
    'safety',
    'image_safety',
    'recitation',
    'blocklist',
    'prohibited_content',
    'spii',
    'refusal',
    'refused',
    'guardrail_intervened',
    'sensitive',
    'moderation',
    'flagged',
    'error_toxic',
  ]),
  failed: new Set([
    'error',
    'abort',
    'aborted',
    'fail',
    'failed',
    'failure',
    'cancel',
    'cancelled',
    'canceled',
    'timeout',
    'exception',
    'malformed_function_call',
    'insufficient_system_resource',
  ]),
};

/** Classifies a `finish_reason`. */
export function finishKind(reason: string): FinishKind {
  const word = reason.trim().toLowerCase().replaceAll(/[\s-]/g, '_');
  if (KINDS.cut.has(word)) return 'cut';
  if (KINDS.withheld.has(word)) return 'withheld';
  // `parse_error`, `overloaded_error`, `api_error`, `network_error`, …
  return KINDS.failed.has(word) || word.endsWith('_error') ? 'failed' : 'finished';
}

/** Reads a `finish_reason` of any type; empty ones and the word "null" are none. */
export function readFinishReason(value: unknown): string | null {
  if (typeof value === 'string') return value.trim() === '' || value === 'null' ? null : value;
  if (typeof value === 'number' || value === true) return String(value);
  if (typeof value === 'object' && value !== null && 'type' in value) return readFinishReason(value.type);
  return null;
}
