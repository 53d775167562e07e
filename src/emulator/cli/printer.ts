import type { Secret } from '../../secret/secret.ts';
import type { EmulatedRequest } from '../request-log.ts';

/** What there is to know of an emulator that has begun to listen. */
interface Greeting {
  readonly url: string;
  readonly version: string;
  readonly accessToken: Secret;
  readonly apiKey: Secret | undefined;
  /** Undefined where an upstream server decides. */
  readonly models: readonly string[] | undefined;
  readonly upstream: string | undefined;
}

/** What a run says, line by line. */
export interface Printer {
  readonly greet: (greeting: Greeting) => string;
  readonly request: (request: EmulatedRequest) => string;
}

/** For people: what to paste into a shell, then a line for every request. */
export const plainPrinter: Printer = {
  greet(greeting) {
    const { url, version, upstream, models } = greeting;
    const served = upstream === undefined ? '' : `, with the models of ${upstream}`;
    const lines = [`d.run ${version}, emulated at ${url}${served}`, '', ...exportsOf(greeting), ''];
    const model = models?.[0];
    if (greeting.apiKey !== undefined && model !== undefined) lines.push(...curl(model), '');
    return lines.join('\n');
  },
  request({ at, method, path, status, durationMs, credential, faults }) {
    const parts = [
      at.toTimeString().slice(0, 8),
      method,
      path,
      status ?? 'no answer',
      `${Math.round(durationMs ?? 0)} ms`,
      credential ?? 'no credential',
      faults?.join('+'),
    ];
    return parts.filter((part) => part !== undefined).join(' ');
  },
};

/** For programs: one JSON object a line, with an `event`. */
export const jsonPrinter: Printer = {
  greet({ accessToken, apiKey, url, ...rest }) {
    return JSON.stringify({
      event: 'listening',
      url,
      openaiBaseUrl: `${url}/v1`,
      ...rest,
      accessToken: accessToken.reveal(),
      apiKey: apiKey?.reveal(),
    });
  },
  request: (request) => JSON.stringify({ event: 'request', ...request }),
};

/** The environment variables that this package's clients and OpenAI's read. */
function exportsOf({ url, accessToken, apiKey }: Greeting): string[] {
  const variables = {
    DRUN_CONSOLE_URL: url,
    DRUN_CHAT_URL: url,
    DRUN_ACCESS_TOKEN: accessToken.reveal(),
    ...(apiKey && { DRUN_API_KEY: apiKey.reveal() }),
    OPENAI_BASE_URL: `${url}/v1`,
    ...(apiKey && { OPENAI_API_KEY: apiKey.reveal() }),
  };
  return Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}`);
}

function curl(model: string): string[] {
  const messages = [{ role: 'user', content: 'Hello!' }];
  return [
    'curl "$OPENAI_BASE_URL/chat/completions" -H "Authorization: Bearer $OPENAI_API_KEY" \\',
    `  -H 'Content-Type: application/json' -d ${quoted(JSON.stringify({ model, messages }))}`,
  ];
}

/** As a shell takes it literally. */
function quoted(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}
