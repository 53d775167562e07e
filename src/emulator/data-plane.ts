import { Hono } from 'hono';
import { modelOf, readChatRequest } from './chat-request.ts';
import { completion, completionEvents } from './completion.ts';
import {
  incorrectApiKey,
  missingApiKey,
  modelFailed,
  modelNotFound,
  notJson,
  replyUnusable,
} from './data-errors.ts';
import { emulatedKey } from './emulated-key.ts';
import { eventStream } from './event-stream.ts';
import { bearerToken, json, jsonObject } from './http.ts';
import type { Settings } from './options.ts';
import { ALPHANUMERIC, type RandomText } from './random.ts';
import { isReply, type Reply, type ReplyContext } from './reply.ts';
import type { KeyRecord, State } from './state.ts';

/** The gateway in front of the models. */
export function dataPlane(state: State, settings: Settings, drawText: RandomText): Hono {
  const plane = new Hono();
  const startedAt = seconds(settings.now());

  plane.get('/v1/models', ({ req }) => {
    requireKey(state, req.raw);
    const data = settings.models.map((id) => ({
      id,
      object: 'model',
      created: startedAt,
      owned_by: id.split('/')[0],
    }));
    return json({ object: 'list', data });
  });

  // The order of the checks is the gateway's: a wrong key is refused before the body is looked at.
  plane.post('/v1/chat/completions', async ({ req }) => {
    const key = requireKey(state, req.raw);
    const body = await jsonObject(req.raw);
    if (body === undefined) throw notJson();
    const model = modelOf(body);
    if (!settings.models.includes(model)) throw modelNotFound(model);
    const request = readChatRequest(body);
    const reply = await askModel(settings, { request, key: emulatedKey(key, settings.now()) });
    const head = {
      id: `chatcmpl-${drawText(ALPHANUMERIC, 24)}`,
      created: seconds(settings.now()),
      model,
    };
    if (request.stream !== true) {
      return json(await completion(reply, request, head).catch(failed));
    }
    return new Response(eventStream(completionEvents(reply, request, head), req.raw.signal), {
      headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' },
    });
  });

  return plane;
}

function requireKey(state: State, request: Request): KeyRecord {
  const whole = bearerToken(request);
  if (whole === undefined) throw missingApiKey();
  const key = state.use(whole);
  if (key === undefined) throw incorrectApiKey(whole);
  return key;
}

async function askModel(settings: Settings, context: ReplyContext): Promise<Reply> {
  // Called inside of a promise, so that what it throws at once is treated like what it rejects with.
  const reply = await Promise.resolve(context).then(settings.reply).catch(failed);
  if (!isReply(reply)) throw replyUnusable();
  return reply;
}

function failed(error: unknown): never {
  throw modelFailed(error instanceof Error ? error.message : String(error));
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
