import { readFile } from 'node:fs/promises';

/** A recorded response. The chunked encoding is removed from its body. */
export interface Recording {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Reads a recording in the folder of this file. */
export async function readRecording(path: string): Promise<Recording> {
  const text = await readFile(new URL(path, import.meta.url), 'utf8');
  const end = /\r?\n\r?\n/.exec(text);
  const [statusLine = '', ...lines] = text.slice(0, end?.index).split(/\r?\n/);
  return {
    status: Number(statusLine.split(' ')[1]),
    headers: Object.fromEntries(
      lines.map((line) => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 1).trim(),
      ]),
    ),
    body: text.slice((end?.index ?? text.length) + (end?.[0].length ?? 0)),
  };
}

/** Replaces ids and times, which differ between runs. */
export function normalized(body: string): string {
  return body
    .replace(/"created":\s?\d+/g, '"created":0')
    .replace(/"id":\s?"(?:chatcmpl|cmpl|call)[\w-]*"/g, '"id":"id"');
}
