import type { Hono } from 'hono/tiny';
import { type KeyRecord, remainingTokens } from '../account/key-registry.ts';
import { modelAccess } from '../account/model-access.ts';
import { type Bytes, dataOf, eventsOf, mapBody } from '../body.ts';
import type { Context, Env, Exchange, Operate } from '../context.ts';
import { bearerToken, bodyText, HttpError, isEventStream, isObject, notFound, parseJson } from '../http.ts';
import type { EmulatedOperation } from '../operation.ts';
import type { EmulatedModel } from '../options.ts';
import {
  incorrectApiKey,
  insufficientQuota,
  internalError,
  invalidJson,
  ModelServerError,
  missingApiKey,
  missingModel,
  modelAccessDenied,
  modelNotFound,
  vllmResponse,
} from './errors.ts';
import { gatewayResponse, rewriteStream, rewriteWhole } from './gateway-wire.ts';
import { EmulatedModelServer, type ModelServer } from './model-server.ts';
import type { EmulatedMessage } from './reply.ts';
import type { RuleBook } from './rules.ts';
import { promptTokens, UsageMeter } from './tokens.ts';
import { UpstreamServer } from './upstream.ts';

const PATHS: readonly (readonly [path: string, operation: EmulatedOperation])[] = [
  ['/chat/completions', 'chat'],
  ['/completions', 'completions'],
  ['/images/generations', 'images'],
];

/** The API that serves models. */
export function dataPlane(app: Hono<Env>, operate: Operate, context: Context, rules: RuleBook): void {
  const gateway = new Gateway(context, rules);
  // Every method works on every path of the gateway, and OPTIONS needs no key.
  const route = (
    path: string,
    operation: EmulatedOperation,
    handle: (c: Exchange) => Promise<Response>,
  ): void => {
    app.all(`/v1${path}`, operate(operation), (c) =>
      c.req.method === 'OPTIONS' ? new Response(null, { status: 204 }) : handle(c),
    );
  };
  route('/models', 'models', (c) => gateway.listModels(c));
  for (const [path, operation] of PATHS) route(path, operation, (c) => gateway.post(c, path));
  app.all('/v1/*', operate(), ({ env: { log } }) => {
    log.add({ reason: 'd.run does not serve this path; use `/v1/chat/completions`.' });
    return notFound();
  });
}

/** The gateway in front of the models, or a bare model server. */
class Gateway {
  readonly #context: Context;
  readonly #upstream: UpstreamServer | undefined;
  readonly #models: ModelServer;
  readonly #startedAt: number;

  constructor(context: Context, rules: RuleBook) {
    this.#context = context;
    const { upstream, now } = context.settings;
    this.#upstream = upstream && new UpstreamServer(upstream);
    this.#models = new EmulatedModelServer(context, rules, this.#upstream);
    this.#startedAt = Math.floor(now() / 1000);
  }

  get #isGateway(): boolean {
    return this.#context.settings.behind === 'gateway';
  }

  async listModels(c: Exchange): Promise<Response> {
    const key = this.#authenticate(c);
    const { models } = this.#context.settings;
    const upstream = models.length === 0 ? this.#upstream : undefined;
    const available: readonly EmulatedModel[] = (await upstream?.models(c.env.signal)) ?? models;
    const allowed = available.filter(({ id }) => modelAccess(key, id) === 'allowed');
    const head = { created: this.#startedAt, object: 'model' };
    if (!this.#isGateway) {
      const data = allowed.map(({ id, contextLength = null }) => ({
        ...{ id, ...head, owned_by: 'vllm', root: id, parent: null },
        ...{ max_model_len: contextLength, permission: [] },
      }));
      return vllmResponse({ object: 'list', data });
    }
    const data = allowed
      .map(({ id, ownedBy = 'VLLM' }) => ({
        created: head.created,
        id,
        object: head.object,
        owned_by: ownedBy,
        permission: null,
        root: '',
        parent: '',
      }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    return gatewayResponse(JSON.stringify({ data }));
  }

  /** The order of the checks is the gateway's: the key comes before the body. */
  async post(c: Exchange, path: string): Promise<Response> {
    const { signal, log } = c.env;
    const request = c.req.raw;
    const key = this.#authenticate(c);
    const body = parseJson(await bodyText(request));
    if (!isObject(body) && body !== null) throw invalidJson();
    const given = body?.model ?? '';
    const model = isObject(given) ? JSON.stringify(given) : String(given);
    if (body === null || model === '') throw missingModel();
    log.add({ model });
    this.#requireModel(key, model);
    if (remainingTokens(key) === 0n) throw insufficientQuota();

    const sent = this.#isGateway ? withUsage({ ...body, model }) : body;
    const meter = new UsageMeter(promptTokens(messagesOf(body)));
    const response = await this.#models.post({ request, signal, log, key, path, body: sent });
    const spend = (): void => this.#spend(key, model, meter);
    return this.#isGateway
      ? this.#rewrite(response, model, meter, spend)
      : this.#observe(response, meter, spend);
  }

  /** What the gateway makes of a model server's response. Only the type of its body decides, not its status. */
  async #rewrite(response: Response, model: string, meter: UsageMeter, spend: () => void): Promise<Response> {
    const type = response.headers.get('content-type') ?? '';
    if (isEventStream(response) && response.body !== null) {
      const rewritten = rewriteStream(response.body, (chunk) => meter.read(chunk), spend);
      return new Response(rewritten, { headers: STREAM_HEADERS });
    }
    const text = await bodyText(response).catch(() => undefined);
    const isJson = text !== undefined && type.startsWith('application/json');
    const rewritten = isJson ? rewriteWhole(text, response, model) : undefined;
    if (rewritten === undefined) {
      throw internalError(`The gateway cannot use the model server's response: ${response.status} ${type}.`);
    }
    if (rewritten.isError) return gatewayResponse(this.#redacted(rewritten.text), rewritten.status);
    meter.read(parseJson(rewritten.text));
    spend();
    return gatewayResponse(rewritten.text);
  }

  /** Passes a model server's response on unchanged. */
  async #observe(response: Response, meter: UsageMeter, spend: () => void): Promise<Response> {
    const { status, body } = response;
    const headers = { 'content-type': response.headers.get('content-type') ?? 'application/octet-stream' };
    if (body === null || [204, 205, 304].includes(status)) return new Response(null, { status });
    if (!isEventStream(response)) {
      const text = await bodyText(response);
      if (!response.ok) return new Response(this.#redacted(text), { status, headers });
      meter.read(parseJson(text));
      spend();
      return new Response(text, { status, headers });
    }
    const observed = mapBody(
      body,
      async function* (chunks: AsyncIterable<Bytes>) {
        for await (const event of eventsOf(chunks)) {
          meter.read(parseJson(dataOf(event) ?? ''));
          yield event;
        }
      },
      { onEnd: spend },
    );
    return new Response(observed, { status, headers });
  }

  #redacted(text: string): string {
    return this.#upstream?.redact(text) ?? text;
  }

  #authenticate({ req, env: { log } }: Exchange): KeyRecord {
    const fullKey = bearerToken(req.raw);
    const { keys } = this.#context.account;
    const key = fullKey === undefined ? undefined : keys.use(fullKey);
    if (key !== undefined) {
      log.add({ keyId: key.id });
      return key;
    }
    const known = fullKey === undefined ? undefined : keys.recall(fullKey);
    const reason =
      known === undefined
        ? 'The API key is unknown.'
        : `The API key \`${known.name}\` is deleted, disabled, expired or not yet active.`;
    if (!this.#isGateway)
      throw new HttpError(401, reason, () => vllmResponse({ error: 'Unauthorized' }, 401));
    throw fullKey === undefined ? missingApiKey() : incorrectApiKey(fullKey, reason);
  }

  #requireModel(key: KeyRecord, model: string): void {
    const { models, upstream } = this.#context.settings;
    const access = modelAccess(key, model);
    const exists = (upstream !== undefined && models.length === 0) || models.some(({ id }) => id === model);
    if (exists && access === 'allowed') return;
    if (!this.#isGateway) {
      const aliases = models.map(({ id }) => id).join(', ');
      const message = `The model \`${model}\` does not exist. Valid aliases: ${aliases}.`;
      throw new ModelServerError(404, message, 'model');
    }
    throw access === 'denied' ? modelAccessDenied(model) : modelNotFound(model);
  }

  /** Records the usage of a request, unless a reset removed its key meanwhile. */
  #spend(key: KeyRecord, model: string, meter: UsageMeter): void {
    const { keys, usage } = this.#context.account;
    if (keys.recall(key.id) === key) usage.add(key, model, meter.usage);
  }
}

const STREAM_HEADERS = {
  'cache-control': 'no-cache',
  connection: 'keep-alive',
  'content-type': 'text/event-stream; charset=utf-8',
  'transfer-encoding': 'chunked',
};

/** Unless a stream asks for its usage already, the gateway replaces its `stream_options`. */
function withUsage(body: Record<string, unknown>): Record<string, unknown> {
  if (body.stream !== true) return body;
  const options = isObject(body.stream_options) ? body.stream_options : {};
  return options.include_usage === true ? body : { ...body, stream_options: { include_usage: true } };
}

/** The messages of a request that may be invalid. */
function messagesOf({ messages, prompt }: Record<string, unknown>): EmulatedMessage[] {
  return (Array.isArray(messages) ? messages : [{ content: prompt }]).filter((message) => {
    const content = isObject(message) ? message.content : undefined;
    return typeof content === 'string' || (Array.isArray(content) && content.every(isObject));
  });
}
