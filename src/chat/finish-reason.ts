/** Values that servers send, normalized to snake case. Any other value means that the model finished. */
const KINDS = {
  cut: /^(?:length|incomplete|not_finished|error_limit|(?:model|length|token|time)_(?:length|limit)|max_\w+|\w*context_(?:length|window)\w*|\w+_truncation)$/,
  withheld:
    /^(?:content_filter(?:ed)?|filtered|(?:image_)?(?:safety|recitation|prohibited_content)|blocklist|spii|refus(?:al|ed)|guardrail_intervened|model_armor|sensitive|moderation|flagged|error_toxic)$/,
  failed:
    /^(?:error|abort(?:ed)?|fail(?:ed|ure)?|(?:user_)?cancel(?:l?ed)?|timeout|exception|malformed_\w+|function_call_filter|unexpected_tool_call|too_many_tool_calls|overloaded|insufficient_system_resource|error_\w+|\w+_error)$/,
};

/** Returns whether a reply finished, was cut off at a limit, was refused or withheld, or failed. */
export function finishKind(reason: string | null | undefined): keyof typeof KINDS | 'finished' {
  if (!reason) return 'finished';
  // Gemini adds details after a colon: "function_call_filter: MALFORMED_FUNCTION_CALL".
  const [first = ''] = reason.split(':');
  const word = first.trim().toLowerCase().replaceAll(/[\s-]/g, '_');
  const kinds = Object.keys(KINDS) as (keyof typeof KINDS)[];
  return kinds.find((kind) => KINDS[kind].test(word)) ?? 'finished';
}

/** Reads a `finish_reason` of any type. Empty values and the string "null" count as absent. */
export function readFinishReason(value: unknown): string | null {
  if (typeof value === 'string') return value.trim() === '' || value === 'null' ? null : value;
  if (typeof value === 'number' || value === true) return String(value);
  return typeof value === 'object' && value !== null && 'type' in value ? readFinishReason(value.type) : null;
}
