import * as z from 'zod/mini';

/*
 * What the data plane answers, as far as this package looks at it. Answers are handed on as they came: these
 * schemas say what has to be there and what may not be something else; all other fields are let through.
 */

const text = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.string());

const toolCall = /* @__PURE__ */ z.looseObject({
  id: text,
  type: text,
  function: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.looseObject({ name: text, arguments: text })),
});

const message = /* @__PURE__ */ z.looseObject({
  role: text,
  content: text,
  reasoning_content: text,
  reasoning: text,
  refusal: text,
  tool_calls: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.array(toolCall)),
});

const choice = /* @__PURE__ */ z.looseObject({
  index: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.int()),
  message,
  finish_reason: text,
});

const usage = /* @__PURE__ */ z.looseObject({
  prompt_tokens: /* @__PURE__ */ z.number(),
  completion_tokens: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.number()),
  total_tokens: /* @__PURE__ */ z.number(),
});

/** A whole answer to `POST /v1/chat/completions`. */
export const chatCompletion = /* @__PURE__ */ z.looseObject({
  id: text,
  model: text,
  created: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.number()),
  choices: /* @__PURE__ */ z.array(choice).check(/* @__PURE__ */ z.minLength(1)),
  usage: /* @__PURE__ */ z.nullish(usage),
});

/** The answer to `GET /v1/models`. */
export const modelList = /* @__PURE__ */ z.looseObject({
  data: /* @__PURE__ */ z.nullish(
    /* @__PURE__ */ z.array(/* @__PURE__ */ z.looseObject({ id: /* @__PURE__ */ z.string() })),
  ),
});
