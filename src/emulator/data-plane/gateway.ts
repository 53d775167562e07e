import { type KeyRecord, remainingTokens } from '../account/key-registry.ts';
import { modelAccess } from '../account/model-access.ts';
import { type Bytes, dataOf, eventsOf, mapBody } from '../body.ts';
import type { Context, Exchange, Route } from '../context.ts';
import {
  bearerToken,
  bodyText,
  HttpError,
  isEventStream,
  isObject,
  json,
  notFound,
  parseJson,
} from '../http.ts';
import type { EmulatedOperation } from '../operation.ts';
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
} from './errors.ts';
import { gatewayResponse, rewriteStream, rewriteWhole } from './gateway-wire.ts';
import { EmulatedModelServer, type ModelServer } from './model-server.ts';
import type { RuleBook } from './rules.ts';
import { UsageMeter } from './tokens.ts';
import { UpstreamServer } from './upstream.ts';

const PATHS: readonly (readonly [path: string, operation: EmulatedOperation])[] = [
  ['/chat/completions', 'chat'],
  ['/completions', 'completions'],
  ['/images/generations', 'images'],
];

/** The data plane: the gateway in front of the models, or a bare model server. */
export class DataPlane {
  readonly routes: readonly Route[];
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
    // Every method works on every path of the gateway, and OPTIONS needs no key.
    const route = (path: string, operation: EmulatedOperation, handle: Route['handle']): Route => ({
      method: 'ALL',
      path: `/v1${path}`,
      operation,
      handle: (exchange) =>
        exchange.request.method === 'OPTIONS' ? new Response(null, { status: 204 }) : handle(exchange),
    });
    this.routes = [
      route('/models', 'models', (exchange) => this.#listModels(exchange)),
      ...PATHS.map(([path, operation]) => route(path, operation, (exchange) => this.#post(exchange, path))),
      {
        method: 'ALL',
        path: '/v1/*',
        handle: ({ log }) => {
          log.add({ reason: 'd.run does not serve this path; use `/v1/chat/completions`.' });
          return notFound();
        },
      },
    ];
  }

  get #isGateway(): boolean {
    return this.#context.settings.behind === 'gateway';
  }

  async #listModels(exchange: Exchange): Promise<Response> {
    const key = this.#authenticate(exchange);
    const { models } = this.#context.settings;
    const available =
      models.length > 0
        ? models
        : ((await this.#upstream?.models(exchange.signal)) ?? []).map((id) => ({
            id,
            ownedBy: undefined,
            contextLength: undefined,
          }));
    const allowed = available.filter(({ id }) => modelAccess(key, id) === 'allowed');
    const created = this.#startedAt;
    if (!this.#isGateway) {
      const data = allowed.map(({ id, contextLength = null }) => ({
        id,
        object: 'model',
        created,
        owned_by: 'vllm',
        root: id,
        parent: null,
        max_model_len: contextLength,
        permission: [],
      }));
      return json({ object: 'list', data });
    }
    const data = allowed
      .map(({ id, ownedBy = 'VLLM' }) => ({
        created,
        id,
        object: 'model',
        owned_by: ownedBy,
        permission: null,
        root: '',
        parent: '',
      }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    return gatewayResponse(JSON.stringify({ data }));
  }

  /** The order of the checks is the gateway's: the key comes before the body. */
  async #post(exchange: Exchange, path: string): Promise<Response> {
    const { request, signal, log } = exchange;
    const key = this.#authenticate(exchange);
    const body = parseJson(await bodyText(request));
    if (!isObject(body) && body !== null) throw invalidJson();
    const { model: given } = body ?? {};
    const model =
      given === undefined || given === null ? '' : isObject(given) ? JSON.stringify(given) : String(given);
    if (body === null || model === '') throw missingModel();
    log.add({ model });
    this.#requireModel(key, model);
    if (remainingTokens(key) === 0n) throw insufficientQuota();

    const sent = this.#isGateway ? withUsage({ ...body, model }) : body;
    const meter = new UsageMeter(sent);
    const response = await this.#models.post({ request, signal, log, key, path, body: sent });
    const spend = (): void => this.#spend(key, model, meter);
    return this.#isGateway
      ? this.#rewrite(response, model, meter, spend)
      : this.#observe(response, meter, spend);
  }

  /** What the gateway makes of a model server's response. Only the type of its body decides, not its status. */
  async #rewrite(response: Response, model: string, meter: UsageMeter, spend: () => void): Promise<Response> {
    const type = response.headers.get('content-type') ?? '';
    if (type.startsWith('text/event-stream') && response.body !== null) {
      return new Response(
        rewriteStream(response.body, (chunk) => meter.read(chunk), spend),
        { headers: STREAM_HEADERS },
      );
    }
    const text = await bodyText(response).catch(() => undefined);
    const rewritten =
      text !== undefined && type.startsWith('application/json')
        ? rewriteWhole(text, response, model)
        : undefined;
    if (rewritten === undefined) {
      throw internalError(`The gateway cannot use the model server's response: ${response.status} ${type}.`);
    }
    const clean = this.#upstream?.redact(rewritten.text) ?? rewritten.text;
    if (response.status < 400 && !rewritten.text.startsWith('{"error":')) {
      meter.read(parseJson(rewritten.text));
      spend();
      return gatewayResponse(rewritten.text);
    }
    return gatewayResponse(clean, rewritten.status);
  }

  /** Passes a model server's response on unchanged. */
  async #observe(response: Response, meter: UsageMeter, spend: () => void): Promise<Response> {
    const { status, body } = response;
    const headers = { 'content-type': response.headers.get('content-type') ?? 'application/octet-stream' };
    if (body === null || [204, 205, 304].includes(status)) return new Response(null, { status });
    if (!isEventStream(response)) {
      const text = await bodyText(response);
      if (!response.ok) return new Response(this.#upstream?.redact(text) ?? text, { status, headers });
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

  #authenticate({ request, log }: Exchange): KeyRecord {
    const fullKey = bearerToken(request);
    const { account, settings } = this.#context;
    const key = fullKey === undefined ? undefined : account.keys.use(fullKey);
    if (key !== undefined) {
      log.add({ keyId: key.id });
      return key;
    }
    const known = fullKey === undefined ? undefined : account.keys.recall(fullKey);
    const reason =
      known === undefined
        ? 'The API key is unknown.'
        : `The API key \`${known.name}\` is deleted, disabled, expired or not yet active.`;
    if (settings.behind === 'none') throw unauthorized(reason);
    throw fullKey === undefined ? missingApiKey() : incorrectApiKey(fullKey, reason);
  }

  #requireModel(key: KeyRecord, model: string): void {
    const { models, upstream } = this.#context.settings;
    const access = modelAccess(key, model);
    const exists = (upstream !== undefined && models.length === 0) || models.some(({ id }) => id === model);
    if (!this.#isGateway) {
      if (exists && access === 'allowed') return;
      const aliases = models.map(({ id }) => id).join(', ');
      throw vllmError(
        new ModelServerError(
          404,
          `The model \`${model}\` does not exist. Valid aliases: ${aliases}.`,
          'model',
        ),
      );
    }
    if (access === 'denied') throw modelAccessDenied(model);
    if (!exists || access === 'not-allowed') throw modelNotFound(model);
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

/** vLLM's response to a wrong key. */
function unauthorized(reason: string): HttpError {
  return new HttpError(401, reason, () => json({ error: 'Unauthorized' }, 401));
}

function vllmError(error: ModelServerError): HttpError {
  return new HttpError(error.status, error.message, () => error.toResponse());
}
