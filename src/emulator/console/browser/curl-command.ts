/** Which call the command makes. */
export interface Call {
  /** Such as `http://127.0.0.1:8080`, without a slash at the end. */
  readonly baseUrl: string;
  readonly model: string;
  /** The whole key, while it is in hand; without one, the command takes it from the environment. */
  readonly key?: string | undefined;
}

/** Stands for a key that is not in hand. The SDK takes its key from the same variable. */
export const PLACEHOLDER = '$DRUN_API_KEY';

/** The command line that sends a model a greeting, for any POSIX shell. */
export function curlCommand({ baseUrl, model, key }: Call): string {
  const authorization =
    key === undefined ? `"Authorization: Bearer ${PLACEHOLDER}"` : quote(`Authorization: Bearer ${key}`);
  const body = [
    '{',
    `    "model": ${JSON.stringify(model)},`,
    '    "messages": [{"role": "user", "content": "Hello!"}]',
    '  }',
  ].join('\n');
  return [
    `curl ${quote(`${baseUrl}/v1/chat/completions`)}`,
    `-H ${authorization}`,
    `-H ${quote('Content-Type: application/json')}`,
    `-d ${quote(body)}`,
  ].join(' \\\n  ');
}

/** One word for the shell, whatever stands in the text. */
function quote(text: string): string {
  return /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
