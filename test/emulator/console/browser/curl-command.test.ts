import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Call, curlCommand } from '../../../../src/emulator/console/browser/curl-command.ts';
import { KEY } from '../../../support/credentials.ts';

/** The words that a shell gives to curl; `DRUN_API_KEY` is set. */
function wordsOf(command: string): string[] {
  const script = `curl() { printf '%s\\0' "$@"; }\n${command}`;
  const env = { PATH: process.env.PATH, DRUN_API_KEY: 'key-of-the-environment' };
  return execFileSync('sh', ['-c', script], { encoding: 'utf8', env }).split('\0').slice(0, -1);
}

function expected({ baseUrl, model, key }: Call): unknown[] {
  return [
    `${baseUrl}/v1/chat/completions`,
    '-H',
    `Authorization: Bearer ${key ?? 'key-of-the-environment'}`,
    '-H',
    'Content-Type: application/json',
    '-d',
    { model, messages: [{ role: 'user', content: 'Hello!' }] },
  ];
}

function withBodyParsed(words: string[]): unknown[] {
  return [...words.slice(0, -1), JSON.parse(words.at(-1) ?? '')];
}

describe.skipIf(process.platform === 'win32')(
  'the command, in a POSIX shell (which Windows has none of)',
  () => {
    it('takes the key from the environment where none is in hand', () => {
      const call = { baseUrl: 'http://127.0.0.1:8080', model: 'public/deepseek-r1' };
      expect(withBodyParsed(wordsOf(curlCommand(call)))).toEqual(expected(call));
    });

    it('has a key that is in hand', () => {
      const call = { baseUrl: 'http://127.0.0.1:8080', model: 'public/deepseek-r1', key: KEY };
      expect(withBodyParsed(wordsOf(curlCommand(call)))).toEqual(expected(call));
    });

    it('is one command with these words, whatever the model is called', () => {
      const hostile = fc.constantFrom(
        "'",
        '"',
        '$(exit)',
        '`exit`',
        '\\',
        '\n',
        ';',
        '!',
        '*',
        '#',
        ' ',
        'é',
        '😀',
      );
      const model = fc
        .array(fc.oneof(hostile, fc.string()))
        .map((parts) => parts.join('').replaceAll('\0', ''));
      fc.assert(
        fc.property(
          model,
          fc.constantFrom('http://[::1]:8080', 'http://localhost', "http://it's"),
          (name, baseUrl) => {
            const call = { baseUrl, model: name };
            expect(withBodyParsed(wordsOf(curlCommand(call)))).toEqual(expected(call));
          },
        ),
        { numRuns: 60 },
      );
    });
  },
);

it('is written in lines that one can read', () => {
  expect(curlCommand({ baseUrl: 'http://127.0.0.1:8080', model: 'public/deepseek-r1' })).toBe(
    `curl http://127.0.0.1:8080/v1/chat/completions \\
  -H "Authorization: Bearer $DRUN_API_KEY" \\
  -H 'Content-Type: application/json' \\
  -d '{
    "model": "public/deepseek-r1",
    "messages": [{"role": "user", "content": "Hello!"}]
  }'`,
  );
});
