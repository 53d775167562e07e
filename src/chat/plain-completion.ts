/*
 * Most completions are plain, and are answered as they came: for these a look does, which takes a hundredth of the time that
 * the schema takes. It says yes only to what the schema says yes to.
 */

type Fields = Readonly<Record<string, unknown>>;

/** Whether a body is, at a glance, a completion; what it says no to may be one all the same. */
export function isPlainCompletion(body: unknown): boolean {
  if (!isFields(body)) return false;
  const { id, model, created, choices, usage } = body;
  return (
    isText(id) &&
    isText(model) &&
    isNumber(created) &&
    Array.isArray(choices) &&
    choices.length > 0 &&
    choices.every(isPlainChoice) &&
    (isNothing(usage) || isPlainUsage(usage))
  );
}

function isPlainChoice(choice: unknown): boolean {
  if (!isFields(choice)) return false;
  const { index, message, finish_reason } = choice;
  return Number.isSafeInteger(index) && isText(finish_reason) && isPlainMessage(message);
}

function isPlainMessage(message: unknown): boolean {
  if (!isFields(message)) return false;
  const { role, content, reasoning_content, reasoning, refusal, tool_calls } = message;
  return (
    isText(role) &&
    isText(content) &&
    isText(reasoning_content) &&
    isText(reasoning) &&
    isText(refusal) &&
    isNothing(tool_calls)
  );
}

function isPlainUsage(usage: unknown): boolean {
  if (!isFields(usage)) return false;
  const { prompt_tokens, completion_tokens, total_tokens } = usage;
  return isNumber(prompt_tokens) && isNumber(completion_tokens) && isNumber(total_tokens);
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null;
}

function isText(value: unknown): boolean {
  return typeof value === 'string' || isNothing(value);
}

function isNumber(value: unknown): boolean {
  return Number.isFinite(value) || isNothing(value);
}
