import * as z from 'zod/mini';

/*
 * What the data plane answers, as far as this package looks at it. Answers are handed on as they came: these
 * schemas say what has to be there and what may not be something else; all other fields are let through.
 */

const text = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.string());

/** Without an id and a name a call can be neither made nor answered. */
const toolCall = /* @__PURE__ */ z.looseObject({
  id: /* @__PURE__ */ z.string(),
  type: text,
  function: /* @__PURE__ */ z.looseObject({
    name: /* @__PURE__ */ z.string(),
    arguments: /* @__PURE__ */ z.string(),
  }),
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

const number = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.number());

/** Not worth losing an answer for: whatever is missing is missing. */
const usage = /* @__PURE__ */ z.looseObject({
  prompt_tokens: number,
  completion_tokens: number,
  total_tokens: number,
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
  data: /* @__PURE__ */ z.nullable(
    /* @__PURE__ */ z.array(/* @__PURE__ */ z.looseObject({ id: /* @__PURE__ */ z.string() })),
  ),
});
