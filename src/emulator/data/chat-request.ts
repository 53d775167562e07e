import * as z from 'zod/mini';
import { invalidParameter } from './data-errors.ts';
import type { ChatRequest } from './reply.ts';

const number = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.number());
const integer = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.int());
const flag = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.boolean());
const anyObject = /* @__PURE__ */ z.looseObject({});
const texts = /* @__PURE__ */ z.union([
  /* @__PURE__ */ z.string(),
  /* @__PURE__ */ z.array(/* @__PURE__ */ z.string()),
]);

/** As many as OpenAI allows. */
const MOST_ANSWERS = 128;

/** What both endpoints take. Of all other fields, that OpenAI does not have either, nothing is known. */
const sampling = {
  model: /* @__PURE__ */ z.string(),
  stream: flag,
  stream_options: /* @__PURE__ */ z.nullish(anyObject),
  temperature: number,
  top_p: number,
  n: /* @__PURE__ */ z.nullish(
    /* @__PURE__ */ z.int().check(/* @__PURE__ */ z.minimum(1), /* @__PURE__ */ z.maximum(MOST_ANSWERS)),
  ),
  max_tokens: integer,
  stop: /* @__PURE__ */ z.nullish(texts),
  seed: integer,
  frequency_penalty: number,
  presence_penalty: number,
  logit_bias: /* @__PURE__ */ z.nullish(anyObject),
  user: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.string()),
};

const message = /* @__PURE__ */ z.looseObject({
  role: /* @__PURE__ */ z.string(),
  content: /* @__PURE__ */ z.nullish(
    /* @__PURE__ */ z.union([
      /* @__PURE__ */ z.string(),
      /* @__PURE__ */ z.array(/* @__PURE__ */ z.looseObject({ type: /* @__PURE__ */ z.string() })),
    ]),
  ),
  tool_calls: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.array(anyObject)),
  tool_call_id: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.string()),
});

const tool = /* @__PURE__ */ z.looseObject({
  type: /* @__PURE__ */ z.string(),
  function: /* @__PURE__ */ z.looseObject({ name: /* @__PURE__ */ z.string() }),
});

const chatRequest = /* @__PURE__ */ z.looseObject({
  ...sampling,
  messages: /* @__PURE__ */ z.array(message).check(/* @__PURE__ */ z.minLength(1)),
  max_completion_tokens: integer,
  tools: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.array(tool)),
  tool_choice: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.union([/* @__PURE__ */ z.string(), anyObject])),
  parallel_tool_calls: flag,
  response_format: /* @__PURE__ */ z.nullish(anyObject),
  logprobs: flag,
  top_logprobs: integer,
});

const completionRequest = /* @__PURE__ */ z.looseObject({
  ...sampling,
  prompt: texts,
});

/** All that the gateway itself reads; whether there is such a model it checks before anything else. */
export function modelOf(body: Record<string, unknown>): string {
  if (typeof body.model !== 'string' || body.model === '') throw invalidParameter('model');
  return body.model;
}

export function readChatRequest(body: Record<string, unknown>): ChatRequest {
  return parse(chatRequest, body);
}

/** A request to the endpoint without chat, as if the prompt had been said by a user. */
export function readCompletionRequest(body: Record<string, unknown>): ChatRequest {
  const request = parse(completionRequest, body);
  const prompts = typeof request.prompt === 'string' ? [request.prompt] : request.prompt;
  return { ...request, messages: prompts.map((content) => ({ role: 'user', content })) };
}

function parse<Schema extends z.ZodMiniType>(
  schema: Schema,
  body: Record<string, unknown>,
): z.output<Schema> {
  const result = z.safeParse(schema, body);
  if (result.success) return result.data;
  throw invalidParameter(String(result.error.issues[0]?.path[0]));
}
