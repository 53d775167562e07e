import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import {
  ChatClient,
  type ChatCompletion,
  type ChatCompletionRequest,
  type ChatStream,
  type Transport,
} from 'drun-sdk/chat';
import { nodeTransport } from 'drun-sdk/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KEY } from '../support/credentials.ts';
import type { Case } from './cases.ts';
import { TABLES } from './tables.ts';

let server: Server;
let baseUrl: string;
const bodies = new Map<string, Case>();

beforeAll(async () => {
  server = createServer((request, response) => {
    const { body, contentType = 'text/event-stream' } = bodies.get(String(request.headers['x-case'])) as Case;
    const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    request.resume().on('end', () => {
      response.writeHead(200, contentType === '' ? {} : { 'content-type': contentType });
      // Sends two chunks, so that some of the events are split.
      const middle = Math.floor(bytes.length / 2);
      response.write(bytes.subarray(0, middle), () =>
        setImmediate(() => response.end(bytes.subarray(middle))),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  baseUrl = `http://127.0.0.1:${port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

type Outcome = {
  readonly completion?: ChatCompletion;
  readonly text?: string;
  /** Indices of the tool calls in the deltas of the first choice. */
  readonly indices?: ReadonlySet<unknown>;
  readonly error?: unknown;
};

const READERS: Readonly<Record<string, (open: () => ChatStream) => Promise<Outcome>>> = {
  'stream().completion()': async (open) => ({ completion: await open().completion() }),
  iteration: async (open) => {
    const stream = open();
    const indices = new Set<unknown>();
    let text = '';
    for await (const { choices } of stream) {
      for (const { index, delta } of choices) {
        if (index === 0) text += delta.content ?? '';
        if (index === 0) for (const call of delta.tool_calls ?? []) indices.add(call.index);
      }
    }
    return { completion: await stream.completion(), text, indices };
  },
  textStream: async (open) => {
    const stream = open();
    let text = '';
    for await (const chunk of stream.textStream) text += chunk;
    return { completion: await stream.completion(), text };
  },
};

async function outcomes(row: Case, transport: Transport | undefined): Promise<Record<string, Outcome>> {
  const chat = new ChatClient({ apiKey: KEY, baseUrl, transport, maxRetries: 0 });
  const id = crypto.randomUUID();
  bodies.set(id, row);
  const request: ChatCompletionRequest = {
    model: 'm',
    messages: [{ role: 'user', content: 'Hello, model!' }],
    ...(row.n !== undefined && { n: row.n }),
  };
  const options = { headers: { 'x-case': id } };
  const readers = Object.entries(READERS).map(([name, read]): [string, () => Promise<Outcome>] => [
    name,
    () => read(() => chat.stream(request, options)),
  ]);
  readers.push(['complete()', async () => ({ completion: await chat.complete(request, options) })]);
  const all: [string, Outcome][] = [];
  for (const [name, read] of readers) {
    all.push([name, await read().catch((error: unknown) => ({ error }))]);
  }
  return Object.fromEntries(all);
}

/** Replaces ids that the client has generated. */
function withoutGeneratedIds(value: unknown, row: Case): unknown {
  if (!inspect(row.completion, { depth: 9 }).includes('<generated>')) return value;
  const calls = (value as ChatCompletion).choices[0].message.tool_calls ?? [];
  const ids = calls.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  return JSON.parse(JSON.stringify(value).replaceAll(/"c[a-z0-9]{8}"/g, '"<generated>"'));
}

const RULES = [
  ...TABLES.map((table) => ({ ...table, way: 'fetch', transport: undefined })),
  ...TABLES.map((table) => ({ ...table, way: 'nodeTransport()', transport: nodeTransport() })),
];

describe.each(RULES)('$rule (over $way)', ({ cases, transport }) => {
  it.each(cases)('$name', async (row) => {
    const all = await outcomes(row, transport);
    for (const [name, outcome] of Object.entries(all)) {
      if (row.error !== undefined) {
        const { name: errorName, ...fields } = row.error;
        expect(outcome.error, `${name} rejects`).toMatchObject(fields);
        expect((outcome.error as Error).name, name).toBe(errorName);
        expect((outcome.error as Error).message, name).toContain(row.message ?? '');
        continue;
      }
      expect(outcome.error, `${name} resolves`).toBeUndefined();
      expect(withoutGeneratedIds(outcome.completion, row), name).toMatchObject(row.completion ?? {});
      const text = row.text ?? (outcome.completion?.choices[0].message.content || '');
      if (outcome.text !== undefined) expect(outcome.text, name).toBe(text);
      const calls = outcome.completion?.choices[0].message.tool_calls ?? [];
      if (outcome.indices !== undefined) expect(outcome.indices.size, name).toBe(calls.length);
    }
    // complete() and stream() must return the same completion.
    const streamed = all['stream().completion()'];
    expect(all['complete()']?.completion).toEqual(streamed?.completion);
    if (row.error?.name !== 'StreamTruncatedError') {
      expect(String(all['complete()']?.error)).toBe(String(streamed?.error));
    }
  });
});
