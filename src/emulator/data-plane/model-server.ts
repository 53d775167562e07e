import { parseJson } from '../../internal/json.ts';
import type { KeyRecord } from '../account.ts';
import { bodyOf } from '../body.ts';
import type { Context, Env } from '../context.ts';
import { HttpError, isIterable } from '../http.ts';
import { keyView } from '../keys.ts';
import type { EmulatedModel } from '../options.ts';
import { ALPHANUMERIC } from '../random.ts';
import { Completion, type Prompt } from './completion.ts';
import { ModelServerError, pythonJson, scenarioError, unknownPath, vllmResponse } from './errors.ts';
import { exampleOf, violationOf } from './json-schema.ts';
import { isReply, isWire, piecesOf } from './pieces.ts';
import type { ChatRequest, EmulatedReply, Reply, ReplyContext, ReplyFunction } from './reply.ts';
import {
  offeredTools,
  parseChatRequest,
  parseCompletionRequest,
  requiredTool,
  responseSchema,
} from './request.ts';
import type { RuleBook } from './rules.ts';
import { lengthOf, promptTokens, textOf } from './tokens.ts';

/** A request that the gateway forwards to a model server. */
export interface ModelRequest extends Readonly<Env['Bindings']> {
  readonly request: Request;
  readonly key: KeyRecord;
  /** The path below `/v1`, such as `/chat/completions`. */
  readonly path: string;
  readonly body: Record<string, unknown>;
}

/** Sends a request to the model server behind the gateway. Resolves to the unmodified response. */
export type ModelServer = (request: ModelRequest) => Promise<Response>;

/**
 * Creates a model server that responds in vLLM's format, with replies from `rules` and the `reply` option.
 *
 * @param fallback - Handles requests that no rule matches.
 */
export function emulatedModelServer(
  { settings, randomText }: Context,
  rules: RuleBook,
  fallback: ModelServer | undefined,
): ModelServer {
  const respond: ModelServer = async (modelRequest) => {
    const { path, body, key, signal, log } = modelRequest;
    const isChat = path === '/chat/completions';
    // vLLM has no endpoints for images.
    if (!isChat && path !== '/completions') {
      return fallback?.(modelRequest) ?? unknownPath();
    }
    let requests: readonly ChatRequest[];
    try {
      requests = isChat ? [parseChatRequest(body)] : parseCompletionRequest(body);
    } catch (error) {
      // The fallback does its own validation.
      if (fallback !== undefined) return fallback(modelRequest);
      throw error;
    }
    const model = settings.models.find(({ id }) => id === body.model);
    const prompts: Prompt[] = [];
    for (const request of requests) {
      const match = rules.match(request, key);
      if (match !== undefined) log.add({ rule: match.position });
      else if (fallback !== undefined) return fallback(modelRequest);
      checkContext(request, model);
      const source = match?.reply ?? settings.reply;
      if (source === undefined && settings.strict) throw unmatched(request, key);
      const context = { request, key: keyView(key, settings.now()), signal };
      const reply = await replyOf(source ?? defaultReply, context);
      await checkStrictSchemas(reply, request);
      prompts.push({ request, reply });
    }
    const [first] = prompts as [Prompt];
    const completion = new Completion({
      ...(prompts.find(({ reply }) => isWire(reply)) ?? first),
      prompts,
      isChat,
      head: {
        id: `${isChat ? 'chatcmpl' : 'cmpl'}-${randomText(ALPHANUMERIC, 24)}`,
        created: Math.floor(settings.now() / 1000),
        model: first.request.model,
      },
      reasoningField:
        model?.reasoningField ?? (settings.behind === 'gateway' ? 'reasoning_content' : 'reasoning'),
      contextLength: model?.contextLength ?? Number.POSITIVE_INFINITY,
      randomText,
    });
    if (first.request.stream !== true) return vllmResponse(await completion.whole(signal).catch(failed));
    return new Response(bodyOf(events(completion)), {
      headers: { 'content-type': 'text/event-stream; charset=utf-8' },
    });
  };
  return (modelRequest) =>
    respond(modelRequest).catch((error: unknown) => {
      if (!(error instanceof ModelServerError)) throw error;
      modelRequest.log.add({ reason: error.reason });
      return error.toResponse(modelRequest.request);
    });
}

async function replyOf(source: Reply | ReplyFunction, context: ReplyContext): Promise<Reply> {
  // Called by `then`, so that exceptions are handled like rejections.
  const reply: unknown =
    typeof source === 'function' ? await Promise.resolve(context).then(source).catch(failed) : source;
  // Nothing will read the reply, so close its generator to release any resources.
  if (context.signal.aborted && isIterable(reply)) void reply[Symbol.asyncIterator]().return?.();
  if (isReply(reply)) return reply;
  throw scenarioError(
    'invalid_reply',
    'createEmulator: `reply` must return a string, an async iterable, a reply or a completion.',
  );
}

/**
 * Yields the events of a stream. If the reply fails, the stream ends with an error event and `[DONE]`, as in vLLM when
 * its engine dies.
 */
async function* events(completion: Completion): AsyncGenerator<string, void, undefined> {
  try {
    for await (const chunk of completion.chunks()) yield `data: ${JSON.stringify(chunk)}\n\n`;
  } catch (error) {
    const fields = { message: messageOf(error), type: 'InternalServerError', param: null, code: 500 };
    yield `data: ${pythonJson({ error: fields })}\n\n`;
  }
  yield 'data: [DONE]\n\n';
}

function failed(error: unknown): never {
  throw error instanceof HttpError ? error : new ModelServerError(500, messageOf(error));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** @throws {ModelServerError} If the prompt and the requested output exceed the model's context length. */
function checkContext(request: ChatRequest, model: EmulatedModel | undefined): void {
  const { contextLength } = model ?? {};
  if (contextLength === undefined) return;
  const start = `This model's maximum context length is ${contextLength} tokens. However, `;
  const characters = request.messages.reduce((sum, { content }) => sum + lengthOf(textOf(content)), 0);
  // If a prompt is certain to exceed the limit, vLLM rejects it without tokenizing it.
  const maxCharacters = contextLength * 16;
  if (characters > maxCharacters) {
    throw new ModelServerError(
      400,
      `${start}your prompt contains ${characters} characters (more than ${maxCharacters} characters, which is the upper bound for ${contextLength} input tokens). Please reduce the length of the input prompt. (parameter=input_text, value=${characters})`,
      'input_text',
    );
  }
  const input = promptTokens(request.messages);
  const requested = request.max_completion_tokens ?? request.max_tokens;
  const output = typeof requested === 'number' ? requested : 1;
  if (input + output <= contextLength) return;
  throw new ModelServerError(
    400,
    `${start}you requested ${output} output tokens and your prompt contains at least ${input} input tokens, for a total of at least ${input + output} tokens. Please reduce the length of the input prompt or the number of requested output tokens. (parameter=input_tokens, value=${input})`,
    'input_tokens',
  );
}

function unmatched(request: ChatRequest, key: KeyRecord): HttpError {
  const { model, messages } = request;
  const last = messages.at(-1);
  const text = textOf(last?.content);
  const tools = offeredTools(request).map(({ name }) => `\`${name}\``);
  const description = [
    `model \`${model}\``,
    `key \`${key.name}\``,
    `${messages.length} ${messages.length === 1 ? 'message' : 'messages'}`,
    `last message (${last?.role}) ${JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text)}`,
    ...(tools.length > 0 ? [`tools ${tools.join(', ')}`] : []),
  ];
  return scenarioError('no_matching_rule', `No rule matches this request: ${description.join(', ')}.`);
}

/**
 * Returns the last user message. If the request requires a tool call (`tool_choice`) or JSON (`response_format`),
 * returns the simplest valid arguments or JSON value instead.
 *
 * @throws {HttpError} If no valid value can be found.
 */
function defaultReply({ request }: ReplyContext): EmulatedReply {
  const name = requiredTool(request);
  if (name !== undefined) {
    const { parameters } = offeredTools(request).find((tool) => tool.name === name) ?? {};
    const given = jsonFor(parameters ?? { type: 'object' }, `tool \`${name}\``);
    return { toolCalls: [{ name, arguments: given }] };
  }
  const format = responseSchema(request);
  if (format !== undefined) return { content: jsonFor(format.schema, 'response format') };
  return { content: textOf(request.messages.findLast(({ role }) => role === 'user')?.content) };
}

function jsonFor(schema: unknown, subject: string): string {
  const example = exampleOf(schema);
  if ('value' in example) return JSON.stringify(example.value);
  throw scenarioError(
    'scripted_reply_needed',
    `The default reply cannot satisfy the schema of the ${subject} (${example.problem}). Script a reply with \`reply\` or \`rules\`.`,
  );
}

/**
 * Checks a scripted reply against the strict schemas in the request. A violation indicates a mistake in the test.
 * Chunks, replies in wire format, truncated replies and refusals are not checked.
 *
 * @throws {HttpError} If the reply violates a schema. The error describes the violation.
 */
async function checkStrictSchemas(reply: Reply, request: ChatRequest): Promise<void> {
  if (isIterable(reply) || isWire(reply)) return;
  let content: string | undefined;
  const calls: { name: string; arguments: string }[] = [];
  for await (const piece of piecesOf(reply as EmulatedReply)) {
    if (!['stop', 'tool_calls'].includes(piece.finishReason ?? 'stop')) return;
    if (piece.content !== undefined) content = (content ?? '') + piece.content;
    for (const { index = 0, name = '', arguments: text = '' } of piece.toolCalls ?? []) {
      calls[index] ??= { name: '', arguments: '' };
      calls[index].name += name;
      calls[index].arguments += text;
    }
  }
  const format = responseSchema(request);
  if (format?.strict === true && content !== undefined) check('reply', content, format.schema);
  for (const call of calls) {
    const tool = offeredTools(request).find(({ name }) => name === call?.name);
    if (tool?.strict === true) check(`call to \`${tool.name}\``, call.arguments, tool.parameters);
  }
}

function check(subject: string, text: string, schema: unknown): void {
  const value = parseJson(text);
  const problem = value === undefined ? 'it is not JSON' : violationOf(schema, value);
  if (problem === undefined) return;
  throw scenarioError(
    'reply_violates_schema',
    `The scripted ${subject} violates a strict schema in the request: ${problem}. A model server would never send it. To send it anyway, use a completion with \`choices\`.`,
  );
}
