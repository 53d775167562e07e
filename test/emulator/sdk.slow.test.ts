import {
  ApiKeyLimitError,
  ApiKeys,
  AuthenticationError,
  ChatClient,
  ConnectionError,
  type Credential,
  InsufficientQuotaError,
  InvalidResponseError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  StreamFailedError,
  StreamTruncatedError,
  TimeoutError,
} from 'drun-sdk';
import type { EmulatorOptions, Fault } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { everythingShownOf, rejection, rejectionOf } from '../support/failures.ts';
import { retryAtOnce } from '../support/timing.ts';
import { TRANSPORTS } from './transports.ts';

const model = 'public/deepseek-r1';
const request = { model, messages: [{ role: 'user', content: 'Hello, model!' }] } as const;

describe.each(TRANSPORTS)("the SDK's clients, $name:", ({ open }) => {
  /** Creates an emulator and clients that are connected to it. */
  async function setUp(options?: EmulatorOptions) {
    const { drun, consoleUrl, chatUrl, fetch } = await open(options);
    const keys = new ApiKeys({ accessToken: drun.accessToken, baseUrl: consoleUrl, fetch });
    const chatWith = (apiKey: Credential, more: object = {}): ChatClient =>
      new ChatClient({ apiKey, baseUrl: chatUrl, fetch, ...more });
    return { drun, keys, chatWith };
  }

  /** Creates an emulator with a key and a chat client. */
  async function setUpChat(options?: EmulatorOptions) {
    const setup = await setUp(options);
    const { secret } = setup.drun.keys.create({ name: 'checkout' });
    return { ...setup, secret, chat: setup.chatWith(secret) };
  }

  describe('ApiKeys', () => {
    it('creates a key, lists it masked, and deletes it once', async () => {
      const { keys } = await setUp();
      const created = await keys.create({ name: 'checkout', expiresAt: new Date('2127-01-01') });
      expect(created.secret.reveal()).toMatch(/^sk-/);
      expect(await Array.fromAsync(keys.list())).toMatchObject([
        {
          id: created.id,
          name: 'checkout',
          maskedKey: created.secret.masked,
          expiresAt: new Date('2127-01-01'),
        },
      ]);
      expect(await keys.delete(created.id)).toMatchObject({ id: created.id });
      await rejectionOf(NotFoundError, keys.delete(created.id));
    });

    it.each(['0.15', '0.16', '0.17'] as const)('shows no full key in version %s', async (version) => {
      const { keys } = await setUp({ version });
      const created = await keys.create({ name: 'checkout' });
      const listed = await Array.fromAsync(keys.list());
      expect(listed).toMatchObject([{ maskedKey: created.secret.masked }]);
      expect(everythingShownOf(listed)).not.toContain(created.secret.reveal());
    });

    it('reads all pages, and searches', async () => {
      const { keys } = await setUp({ maxKeys: 40 });
      for (let number = 0; number < 23; number++) await keys.create({ name: `key ${number}` });
      expect(await Array.fromAsync(keys.list({ pageSize: 5 }))).toHaveLength(23);
      expect(await keys.list({ search: 'key 1' })).toMatchObject({ total: 11 });
    });

    it('throws at the key limit, with the reason in its language', async () => {
      const { keys } = await setUp({ maxKeys: 1 });
      expect(await keys.canCreate()).toEqual({ allowed: true });
      await keys.create({ name: 'first' });
      const error = await rejectionOf(ApiKeyLimitError, keys.create({ name: 'second' }));
      expect(error.reason).toBe('The limit of 1 API keys is reached');
    });

    it('retries idempotent requests', async () => {
      retryAtOnce();
      const { drun, keys } = await setUp();
      const { id } = await keys.create({ name: 'first' });
      drun.faults.next({ operation: 'list', status: 503 });
      expect((await keys.list()).items).toHaveLength(1);
      drun.faults.next({ operation: 'delete', dropConnection: true, applied: true });
      expect(await keys.delete(id)).toEqual({ id });
      expect([...drun.keys]).toEqual([]);
    });

    it('reports the HTML page of a proxy', async () => {
      const { drun, keys } = await setUp();
      drun.faults.next({ status: 200, body: '<h1>Maintenance</h1>' });
      await rejectionOf(InvalidResponseError, keys.list());
    });
  });

  describe('ChatClient', () => {
    it('completes and streams, with usage', async () => {
      const { chat } = await setUpChat();
      const { choices, usage } = await chat.complete(request);
      expect(choices[0].message.content).toBe('Hello, model!');
      expect(usage).toMatchObject({ total_tokens: 8 });
      expect((await Array.fromAsync(chat.stream(request).textStream)).join('')).toBe('Hello, model!');
      expect(await chat.stream(request).completion()).toMatchObject({
        choices: [{ message: { content: 'Hello, model!' }, finish_reason: 'stop' }],
        usage: { total_tokens: 8 },
      });
    });

    it('accumulates reasoning and tool calls', async () => {
      const toolCalls = [{ name: 'weather', arguments: { city: 'Paris' } }];
      const { chat } = await setUpChat({ reply: { reasoning: 'I think.', toolCalls } });
      const expected = {
        choices: [
          {
            message: {
              reasoning_content: 'I think.',
              content: null,
              tool_calls: [
                { id: expect.any(String), function: { name: 'weather', arguments: '{"city":"Paris"}' } },
              ],
            },
            finish_reason: 'tool_calls',
          },
        ],
      };
      expect(await chat.complete(request)).toMatchObject(expected);
      expect(await chat.stream(request).completion()).toMatchObject(expected);
    });

    it('lists the models of its key, and checks the key', async () => {
      const { drun, chatWith } = await setUp();
      const { id, secret } = drun.keys.create({ name: 'narrow', allowModels: ['public/*'] });
      const chat = chatWith(secret);
      expect((await chat.models()).map(({ id }) => id)).toEqual([model]);
      expect(await chat.checkKey()).toEqual({ accepted: true });
      drun.keys.update(id, { disabled: true });
      expect(await chat.checkKey()).toEqual({ accepted: false, code: 'authentication_failed' });
    });

    it('throws a specific error for each rejection, and shows no key', async () => {
      const { drun, chatWith } = await setUp();
      const rejectionWith = async (fields: object, requestFields: object = {}): Promise<unknown> => {
        const { id, secret } = drun.keys.create({ name: 'refused', ...fields });
        const error = await rejection(chatWith(secret).complete({ ...request, ...requestFields }));
        expect(everythingShownOf(error)).not.toContain(secret.reveal().slice(3));
        drun.keys.delete(id);
        return error;
      };
      expect(await rejectionWith({ disabled: true })).toBeInstanceOf(AuthenticationError);
      expect(await rejectionWith({ expiresAt: new Date(0) })).toBeInstanceOf(AuthenticationError);
      expect(await rejectionWith({ quota: 0 })).toBeInstanceOf(InsufficientQuotaError);
      expect(await rejectionWith({ denyModels: ['**'] })).toBeInstanceOf(PermissionDeniedError);
      expect(await rejectionWith({}, { model: 'unknown' })).toBeInstanceOf(NotFoundError);
    });

    it('calls the provider again after a 401', async () => {
      const { drun, chatWith } = await setUp();
      const [old, fresh] = [drun.keys.create({ name: 'old' }), drun.keys.create({ name: 'fresh' })];
      drun.keys.delete(old.id);
      const chat = chatWith(({ rejected }) => (rejected ? fresh.secret : old.secret));
      expect((await chat.complete(request)).choices[0].message.content).toBe('Hello, model!');
    });

    it('retries transient failures', async () => {
      retryAtOnce();
      const { drun, chat } = await setUpChat();
      drun.faults.next({ status: 429 });
      drun.faults.next({ dropConnection: true });
      expect((await chat.complete(request)).choices).toHaveLength(1);
      drun.faults.next({ status: 503 });
      drun.faults.next({ dropAfterChunks: 0 });
      expect((await Array.fromAsync(chat.stream(request).textStream)).join('')).toBe('Hello, model!');
    });

    it('throws the last failure after its retries', async () => {
      retryAtOnce();
      const { drun, chat } = await setUpChat();
      drun.faults.always({ status: 429, headers: { 'retry-after-ms': '1' } });
      expect(await rejectionOf(RateLimitError, chat.complete(request))).toMatchObject({ retryAfterMs: 1 });
      drun.faults.clear();
      drun.faults.always({ dropConnection: true });
      await rejectionOf(ConnectionError, chat.complete(request));
    });

    it.each<[Fault, abstract new (...values: never[]) => Error]>([
      [{ truncateAfterChunks: 3 }, StreamTruncatedError],
      [{ dropAfterChunks: 3 }, StreamTruncatedError],
      [{ errorAfterChunks: 3 }, StreamFailedError],
      [{ malformedJson: 3 }, StreamFailedError],
      [{ status: 200, body: '<h1>Maintenance</h1>' }, InvalidResponseError],
    ])('throws for an incomplete stream: %o', async (fault, type) => {
      const { drun, chat } = await setUpChat();
      drun.faults.next(fault);
      const error = await rejection(Array.fromAsync(chat.stream(request, { maxRetries: 0 }).textStream));
      expect(error).toBeInstanceOf(type);
    });

    it.each<Fault>([
      { truncateAfterChunks: 1 },
      { malformedJson: true },
      { status: 200, body: '<h1>No' },
      { status: 200 },
    ])('throws for an incomplete response: %o', async (fault) => {
      const { drun, chat } = await setUpChat();
      drun.faults.next(fault);
      await rejectionOf(InvalidResponseError, chat.complete(request, { maxRetries: 0 }));
    });

    it('throws after its timeout', async () => {
      const { drun, chat } = await setUpChat();
      drun.faults.always({ delayMs: 60_000 });
      await rejectionOf(TimeoutError, chat.complete(request, { timeoutMs: 50 }));
      drun.faults.clear();
      drun.faults.always({ stallAfterChunks: 1 });
      const stream = chat.stream(request, { idleTimeoutMs: 50 });
      expect(await rejectionOf(TimeoutError, stream.completion())).toMatchObject({ phase: 'idle' });
    });

    it('can be aborted before and during a stream', async () => {
      const { drun, chat } = await setUpChat();
      drun.faults.next({ delayMs: 60_000 });
      const controller = new AbortController();
      const waiting = chat.complete(request, { signal: controller.signal });
      const reason = new Error('not wanted');
      setTimeout(() => controller.abort(reason), 20);
      expect(await rejection(waiting)).toBe(reason);
      drun.faults.next({ stallAfterChunks: 1 });
      const stream = chat.stream(request);
      const texts = stream.textStream[Symbol.asyncIterator]();
      setTimeout(() => stream.abort(reason), 20);
      expect(await rejection(texts.next().then(() => texts.next()))).toBe(reason);
    });
  });
});
