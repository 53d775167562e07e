import type {
  ChatClient,
  ChatCompletion,
  ChatCompletionRequest,
  CompletionChoice,
  KeyCheck,
  Model,
} from 'drun-sdk/chat';
import { expectTypeOf, test } from 'vitest';
import type * as z from 'zod/mini';
import type { chatCompletion, modelList } from '../../src/wire/data-plane.ts';

declare const chat: ChatClient;

const model = 'public/deepseek-r1';
const messages = [{ role: 'user', content: 'Hello, model!' }] as const;

test('a request needs a model and messages', () => {
  // @ts-expect-error: the messages are missing
  void chat.complete({ model });
  // @ts-expect-error: the model is missing
  void chat.complete({ messages });
});

test('a request with a field of a wrong type does not compile', () => {
  // @ts-expect-error: not a number
  void chat.complete({ model, messages, temperature: 'hot' });
  // @ts-expect-error: no such role
  void chat.complete({ model, messages: [{ role: 'wizard', content: 'a' }] });
  // @ts-expect-error: a tool's message says which call it answers
  void chat.complete({ model, messages: [{ role: 'tool', content: 'a' }] });
  // @ts-expect-error: complete() answers in one piece
  void chat.complete({ model, messages, stream: true });
});

test('a request may have fields that nobody has listed', () => {
  void chat.complete({ model, messages, guided_choice: ['a'], top_k: 1, chat_template_kwargs: { a: 1 } });
  expectTypeOf<{ model: string; messages: []; anything: symbol }>().toExtend<ChatCompletionRequest>();
});

test('a message of an answer can be sent back', () => {
  expectTypeOf<ChatCompletion['choices'][0]['message']>().toExtend<
    ChatCompletionRequest['messages'][number]
  >();
});

test('an answer has a first choice', () => {
  expectTypeOf<ChatCompletion['choices'][0]>().toEqualTypeOf<CompletionChoice>();
  expectTypeOf<CompletionChoice['message']['content']>().toEqualTypeOf<string | null>();
});

test('reasoning is typed', () => {
  type Message = CompletionChoice['message'];
  expectTypeOf<Message['reasoning_content']>().toEqualTypeOf<string | null | undefined>();
  expectTypeOf<Message['reasoning']>().toEqualTypeOf<string | null | undefined>();
});

test('a finish reason may be one that nobody has listed', () => {
  expectTypeOf<'abort'>().toExtend<CompletionChoice['finish_reason']>();
});

test('a refused key comes with a code', () => {
  expectTypeOf(chat.checkKey()).resolves.toEqualTypeOf<KeyCheck>();
  const check = {} as KeyCheck;
  if (!check.accepted) {
    expectTypeOf(check.code).toEqualTypeOf<
      'authentication_failed' | 'insufficient_quota' | 'permission_denied'
    >();
  }
  // @ts-expect-error: an accepted key has no code
  if (check.accepted) void check.code;
});

test('a ChatCompletion is what the wire has', () => {
  type Wire = z.output<typeof chatCompletion>;
  expectTypeOf<Pick<ChatCompletion, 'id' | 'model' | 'created'>>().toExtend<
    Readonly<Pick<Wire, 'id' | 'model' | 'created'>>
  >();
  type Known = 'id' | 'model' | 'created';
  expectTypeOf<Pick<Wire, Known>>().toExtend<Pick<ChatCompletion, Known>>();
});

test('what the wire has of choices and usage is typed the same', () => {
  type Wire = z.output<typeof chatCompletion>;
  type WireMessage = Wire['choices'][number]['message'];
  type Message = CompletionChoice['message'];
  type Texts = 'reasoning_content' | 'reasoning' | 'refusal';
  expectTypeOf<{ -readonly [Name in Texts]?: Message[Name] }>().toEqualTypeOf<{
    [Name in Texts]?: WireMessage[Name];
  }>();
  expectTypeOf<NonNullable<ChatCompletion['usage']>['total_tokens']>().toEqualTypeOf<
    NonNullable<Wire['usage']>['total_tokens']
  >();
  expectTypeOf<NonNullable<Wire['usage']>['completion_tokens']>().toEqualTypeOf<
    NonNullable<ChatCompletion['usage']>['completion_tokens']
  >();
});

test('a Model is what the wire has', () => {
  type WireModel = NonNullable<z.output<typeof modelList>['data']>[number];
  expectTypeOf<WireModel['id']>().toEqualTypeOf<Model['id']>();
  expectTypeOf(chat.models()).resolves.toEqualTypeOf<Model[]>();
});
