import type { Hono } from 'hono/tiny';
import { isRecord, parseJson } from '../../internal/json.ts';
import { type KeyRecord, remainingTokens } from '../account.ts';
import type { Context, Env, Exchange, Operate } from '../context.ts';
import { bearerToken, bodyText, HttpError, isEventStream, notFound } from '../http.ts';
import { modelAccess } from '../model-access.ts';
import type { EmulatedOperation } from '../operation.ts';
import * as errors from './errors.ts';
import { ModelServerError, unknownPath, vllmResponse } from './errors.ts';
import { gatewayResponse, goJson, observeStream, rewriteStream, rewriteWhole } from './gateway-wire.ts';
import { emulatedModelServer } from './model-server.ts';
import type { RuleBook } from './rules.ts';
import { promptTokens, UsageMeter } from './tokens.ts';
import { upstreamServer } from './upstream.ts';

const STREAM_HEADERS = {
  'cache-control': 'no-cache',
  connection: 'keep-alive',
  'content-type': 'text/event-stream; charset=utf-8',
  'transfer-encoding': 'chunked',
};

/** Adds the API for models, as served by the gateway or by a bare model server. */
export function dataPlane(app: Hono<Env>, operate: Operate, context: Context, rules: RuleBook): void {
  const { account, settings } = context;
  const { models } = settings;
  const isGateway = settings.behind === 'gateway';
  const upstream = settings.upstream === undefined ? undefined : upstreamServer(settings.upstream);
  const modelServer = emulatedModelServer(context, rules, upstream?.post);
  const created = Math.floor(settings.now() / 1000);

  const authenticate = ({ req, env: { log } }: Exchange): KeyRecord => {
    const fullKey = bearerToken(req.raw);
    const key = fullKey === undefined ? undefined : account.use(fullKey);
    if (key !== undefined) {
      log.add({ keyId: key.id });
      return key;
    }
    const known = fullKey === undefined ? undefined : account.recall(fullKey);
    const reason =
      known === undefined
        ? 'The API key is unknown.'
        : `The API key \`${known.name}\` is deleted, disabled, expired or not yet active.`;
    if (!isGateway) throw new HttpError(401, reason, () => vllmResponse({ error: 'Unauthorized' }, 401));
    throw fullKey === undefined ? errors.missingApiKey() : errors.incorrectApiKey(fullKey, reason);
  };

  const requireModel = (key: KeyRecord, model: string): void => {
    const access = modelAccess(key, model);
    const exists = (upstream !== undefined && models.length === 0) || models.some(({ id }) => id === model);
    if (exists && access === 'allowed') return;
    if (isGateway) throw access === 'denied' ? errors.modelAccessDenied(model) : errors.modelNotFound(model);
    const aliases = models.map(({ id }) => id).join(', ');
    const message = `The model \`${model}\` does not exist. Valid aliases: ${aliases}.`;
    throw new ModelServerError(404, message, 'model');
  };

  const listModels = async (c: Exchange): Promise<Response> => {
    const key = authenticate(c);
    const listed = models.length === 0 ? await upstream?.models(c.env.signal) : undefined;
    const allowed = (listed ?? models).filter(({ id }) => modelAccess(key, id) === 'allowed');
    if (!isGateway) {
      const data = allowed.map(({ id, contextLength = null }) => {
        const head = { id, object: 'model', created, owned_by: 'vllm', root: id, parent: null };
        return { ...head, max_model_len: contextLength, permission: [] };
      });
      return vllmResponse({ object: 'list', data });
    }
    const rest = { object: 'model', owned_by: 'VLLM', permission: null, root: '', parent: '' };
    const data = allowed.map(({ id }) => ({ created, id, ...rest })).sort((a, b) => (a.id < b.id ? -1 : 1));
    return gatewayResponse(JSON.stringify({ data }));
  };

  /** Runs the checks in the gateway's order: first the key, then the body. */
  const post = async (c: Exchange, path: string): Promise<Response> => {
    const { signal, log } = c.env;
    const request = c.req.raw;
    const key = authenticate(c);
    const body = parseJson(await bodyText(request));
    if (!isGateway && !isRecord(body)) throw new ModelServerError(400, 'JSON decode error');
    if (!isRecord(body) && body !== null) throw errors.invalidJson();
    const given = body?.model || (isGateway ? '' : (models[0]?.id ?? ''));
    const model = typeof given === 'object' ? goJson(given) : String(given);
    if (body === null || (isGateway && model === '')) throw errors.missingModel();
    log.add({ model });
    requireModel(key, model);
    if (remainingTokens(key) === 0n) throw errors.insufficientQuota();

    const { messages, prompt } = body;
    const sent = isGateway ? withUsage({ ...body, model }) : { ...body, model };
    const meter = new UsageMeter(promptTokens(Array.isArray(messages) ? messages : [{ content: prompt }]));
    const response = await modelServer({ request, signal, log, key, path, body: sent });
    const spend = (): void => account.spend(key, model, meter.usage);
    return forward(response, model, meter, spend);
  };

  /** Forwards a response. The gateway rewrites responses according to their content type, not their status. */
  const forward = async (
    response: Response,
    model: string,
    meter: UsageMeter,
    spend: () => void,
  ): Promise<Response> => {
    const { status, body } = response;
    const type = response.headers.get('content-type') ?? 'text/plain';
    const init = { status, headers: { 'content-type': type } };
    if (isEventStream(response) && body !== null) {
      const onChunk = (chunk: unknown): void => meter.read(chunk);
      if (!isGateway) return new Response(observeStream(body, onChunk, spend), init);
      return new Response(rewriteStream(body, onChunk, spend), { headers: STREAM_HEADERS });
    }
    const text = await bodyText(response).catch(() => undefined);
    const isUsable = text !== undefined && (!isGateway || type.startsWith('application/json'));
    const plain = { status, text: text ?? '', isError: !response.ok };
    const result = isUsable && isGateway ? rewriteWhole(plain.text, response, model) : plain;
    if (!isUsable || result === undefined) {
      throw errors.internalError(`The model server's response cannot be used: ${status} ${type}.`);
    }
    if (!result.isError) {
      meter.read(parseJson(result.text));
      spend();
    }
    const shown = result.isError && upstream !== undefined ? upstream.redact(result.text) : result.text;
    return isGateway ? gatewayResponse(shown, result.status) : new Response(shown || null, init);
  };

  const route = (path: string, operation: EmulatedOperation, handle: typeof post): void => {
    const method = operation === 'models' ? 'GET' : 'POST';
    app.all(`/v1${path}`, operate(operation), (c) => {
      if (!isGateway && c.req.method !== method) return vllmResponse({ detail: 'Method Not Allowed' }, 405);
      // The gateway accepts every method on these paths and does not require a key for OPTIONS.
      return c.req.method === 'OPTIONS' ? new Response(null, { status: 204 }) : handle(c, path);
    });
  };
  route('/models', 'models', listModels);
  route('/chat/completions', 'chat', post);
  route('/completions', 'completions', post);
  route('/images/generations', 'images', post);
  app.all('/v1/*', operate(), ({ env: { log } }) => {
    log.add({ reason: 'd.run does not serve this path. Use `/v1/chat/completions` instead.' });
    return isGateway ? notFound() : unknownPath();
  });
}

/** Replaces `stream_options` in a streaming request, as the gateway does, unless they already request usage. */
function withUsage(body: Record<string, unknown>): Record<string, unknown> {
  if (body.stream !== true) return body;
  const options = isRecord(body.stream_options) ? body.stream_options : {};
  return options.include_usage === true ? body : { ...body, stream_options: { include_usage: true } };
}
