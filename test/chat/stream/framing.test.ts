import { describe, expect, test } from 'vitest';
import {
  delta,
  events,
  finishes,
  GREETING,
  greeting,
  READERS,
  says,
  servePieces,
} from '../../support/streams.ts';
import { chatClient, request } from '../requests.ts';

const BOM = '\uFEFF';

/** An event's JSON over several `data` lines, as line breaks between its tokens allow. */
const overLines = (value: unknown): string =>
  `${JSON.stringify(value, null, 2)
    .split('\n')
    .map((line) => `data: ${line}`)
    .join('\n')}\n\n`;

const bytes = (text: string): Uint8Array<ArrayBuffer>[] =>
  [...new TextEncoder().encode(text)].map((byte) => Uint8Array.of(byte));

describe.each(READERS)('$name', ({ read }) => {
  test.each([
    ['whose lines end in LF', greeting()],
    ['whose lines end in CRLF', greeting().replaceAll('\n', '\r\n')],
    ['whose lines end in CR', greeting().replaceAll('\n', '\r')],
    ['with comments', `: hi\n\n${greeting().replaceAll('\n\n', '\n: still here\n\n:\n\n')}`],
    ['with comments within its events', greeting().replaceAll('data: ', ': now\ndata: ')],
    ['that begins with a byte order mark', BOM + greeting()],
    ['whose fields have no space', greeting().replaceAll('data: ', 'data:')],
    [
      'whose events have names, ids and fields that nobody knows',
      greeting().replaceAll('data: ', 'event: message\nid: 7\nretry: 10\nfoo: bar\nbaz\ndata: '),
    ],
    [
      'with events that are empty, which some servers keep a connection alive with',
      `data\n\n${greeting().replaceAll('\n\n', '\n\ndata:\n\nevent: ping\ndata: \n\n')}`,
    ],
    ['whose end has a space after it', greeting().replace('[DONE]', '[DONE] ')],
    ['with more empty lines than needed', `\n\n${greeting().replaceAll('\n\n', '\n\n\n\n')}`],
    ['whose last event has no empty line', greeting().slice(0, -1)],
    ['whose last event has no line break at all', greeting().slice(0, -2)],
    ['that ends in a single CR', greeting().replaceAll('\n', '\r').slice(0, -1)],
    [
      'whose events run over several lines',
      [delta({ role: 'assistant' }), says('Hello, '), says('wörld! 🌍'), finishes()].map(overLines).join('') +
        events('[DONE]'),
    ],
  ])('reads a stream %s', async (_, stream) => {
    const { url } = await servePieces(stream);

    expect(await read(chatClient({ baseUrl: url }).stream(request()))).toBe(GREETING);
  });

  test.each([
    ['LF', '\n'],
    ['CRLF', '\r\n'],
    ['CR', '\r'],
  ])('reads a stream with %s that comes one byte at a time', async (_, lineEnd) => {
    const { url } = await servePieces(...bytes((BOM + greeting()).replaceAll('\n', lineEnd)));

    expect(await read(chatClient({ baseUrl: url }).stream(request()))).toBe(GREETING);
  });

  test('puts a character together that is split between pieces', async () => {
    const whole = new TextEncoder().encode(greeting());
    const emoji = new TextEncoder().encode(greeting().slice(0, greeting().indexOf('🌍'))).length;
    const { url } = await servePieces(
      whole.slice(0, emoji + 1),
      whole.slice(emoji + 1, emoji + 3),
      whole.slice(emoji + 3),
    );

    expect(await read(chatClient({ baseUrl: url }).stream(request()))).toBe(GREETING);
  });

  test('keeps line separators of Unicode, which end no line', async () => {
    const { url } = await servePieces(events(says('a\u2028b\u0085c'), finishes(), '[DONE]'));

    expect(await read(chatClient({ baseUrl: url }).stream(request()))).toBe('a\u2028b\u0085c');
  });

  test('takes many events out of one piece and one event out of many', async () => {
    const text = events(says('1'), says('2'), says('3'), finishes(), '[DONE]');
    const { url } = await servePieces(text.slice(0, 7), text.slice(7, 40), text.slice(40));

    expect(await read(chatClient({ baseUrl: url }).stream(request()))).toBe('123');
  });
});
