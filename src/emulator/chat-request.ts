import * as z from 'zod/mini';
import { invalidParameter } from './data-errors.ts';
import type { ChatRequest } from './reply.ts';

const message = /* @__PURE__ */ z.looseObject({
  role: /* @__PURE__ */ z.string(),
  content: /* @__PURE__ */ z.nullish(
    /* @__PURE__ */ z.union([
      /* @__PURE__ */ z.string(),
      /* @__PURE__ */ z.array(/* @__PURE__ */ z.looseObject({ type: /* @__PURE__ */ z.string() })),
    ]),
  ),
});

const chatRequest = /* @__PURE__ */ z.looseObject({
  model: /* @__PURE__ */ z.string(),
  messages: /* @__PURE__ */ z.array(message).check(/* @__PURE__ */ z.minLength(1)),
  stream: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.boolean()),
});

/** All that the gateway itself reads; whether there is such a model it checks before anything else. */
export function modelOf(body: Record<string, unknown>): string {
  if (typeof body.model !== 'string' || body.model === '') throw invalidParameter('model');
  return body.model;
}

export function readChatRequest(body: Record<string, unknown>): ChatRequest {
  const result = z.safeParse(chatRequest, body);
  if (result.success) return result.data;
  throw invalidParameter(String(result.error.issues[0]?.path[0]));
}
