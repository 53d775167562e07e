/** Error bodies are short and come at once; one that is longer, or takes longer, is not read to its end. */
const LONGEST_ERROR_BODY = 65_536;
const ERROR_BODY_TIMEOUT_MS = 5_000;

/** The whole text of an error's body, or nothing: what was cut off may end in a part of a credential. */
export async function readErrorText({ body }: Response): Promise<string> {
  if (body === null) return '';
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let isWhole = true;
  const giveUp = (): void => {
    isWhole = false;
    void reader.cancel().catch(() => {});
  };
  const timer = setTimeout(giveUp, ERROR_BODY_TIMEOUT_MS);
  let text = '';
  try {
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
      text += decoder.decode(value, { stream: true });
      if (text.length > LONGEST_ERROR_BODY) giveUp();
    }
  } catch {
    isWhole = false;
  } finally {
    clearTimeout(timer);
  }
  return isWhole ? text + decoder.decode() : '';
}
