import type { Call } from '../call.ts';
import { bearerToken, json, jsonObject } from '../http.ts';
import { emulatedKey } from '../keys/emulated-key.ts';
import { type KeyRecord, remainingTokens } from '../keys/key-record.ts';
import { modelAccess } from '../keys/model-access.ts';
import { ALPHANUMERIC } from '../random.ts';
import type { Route } from '../router.ts';
import type { Service } from '../service.ts';
import type { TokenUsage } from '../usage-ledger.ts';
import { Answer } from './answer.ts';
import { type AnswerForm, CHAT_FORM, TEXT_FORM } from './answer-form.ts';
import { modelOf, readChatRequest, readCompletionRequest } from './chat-request.ts';
import {
  incorrectApiKey,
  insufficientQuota,
  missingApiKey,
  modelAccessDenied,
  modelFailed,
  modelNotFound,
  notJson,
  replyUnusable,
} from './data-errors.ts';
import { eventStream } from './event-stream.ts';
import { normalizeReply } from './normalize-reply.ts';
import { type ChatRequest, isIterable, isReply, type Reply } from './reply.ts';
import { UpstreamServer } from './upstream.ts';

/** A request that a key may make of a model. */
interface ModelCall {
  readonly call: Call;
  readonly body: Record<string, unknown>;
  readonly key: KeyRecord;
  readonly model: string;
}

/** The gateway in front of the models. */
export class DataPlane {
  readonly routes: readonly Route[];
  readonly #service: Service;
  readonly #upstream: UpstreamServer | undefined;
  readonly #startedAt: number;

  constructor(service: Service) {
    this.#service = service;
    const { upstream, now } = service.settings;
    this.#upstream = upstream && new UpstreamServer(upstream);
    this.#startedAt = seconds(now());
    this.routes = [
      { method: 'GET', path: '/v1/models', operation: 'models', answer: this.#models },
      this.#modelRoute('/chat/completions', 'chat', (call) => this.#reply(call, CHAT_FORM, readChatRequest)),
      this.#modelRoute('/completions', 'completions', (call) =>
        this.#reply(call, TEXT_FORM, readCompletionRequest),
      ),
      this.#modelRoute('/images/generations', 'images', drawNothing),
    ];
  }

  readonly #models = async ({ request, signal }: Call): Promise<Response> => {
    const key = this.#requireKey(request);
    const all = await this.allModels(signal);
    return json({ object: 'list', data: all.filter(({ id }) => modelAccess(key, id) === 'allowed') });
  };

  /**
   * The models that there are, whoever may use them.
   *
   * @throws Refusal where the upstream server, which knows them, does not say.
   */
  async allModels(signal: AbortSignal): Promise<readonly { readonly id: string }[]> {
    const { servesAnyModel, models } = this.#service.settings;
    return this.#upstream && servesAnyModel ? this.#upstream.models(signal) : this.#ownModels(models);
  }

  #ownModels(models: readonly string[]): { readonly id: string }[] {
    return models.map((id) => ({
      id,
      object: 'model',
      created: this.#startedAt,
      owned_by: id.split('/')[0],
    }));
  }

  /** The order of the checks is the gateway's: a wrong key is refused before the body is looked at. */
  #modelRoute(
    path: string,
    operation: 'chat' | 'completions' | 'images',
    answer: (call: ModelCall) => Response | Promise<Response>,
  ): Route {
    return {
      method: 'POST',
      path: `/v1${path}`,
      operation,
      answer: async (call) => {
        const key = this.#requireKey(call.request);
        const body = await jsonObject(call.request);
        if (body === undefined) throw notJson();
        const model = modelOf(body);
        this.#requireAccess(key, model);
        if (remainingTokens(key) === 0n) throw insufficientQuota();
        if (this.#upstream === undefined) return answer({ call, body, key, model });
        const onUsage = (usage: TokenUsage): void => this.#spend(key, model, usage);
        return this.#upstream.post(path, body, { ...call, onUsage });
      },
    };
  }

  #requireKey(request: Request): KeyRecord {
    const whole = bearerToken(request);
    if (whole === undefined) throw missingApiKey();
    const key = this.#service.vault.use(whole);
    if (key === undefined) throw incorrectApiKey(whole);
    return key;
  }

  #requireAccess(key: KeyRecord, model: string): void {
    const { servesAnyModel, models } = this.#service.settings;
    const access = modelAccess(key, model);
    if (access === 'denied') throw modelAccessDenied(model);
    const isThere = servesAnyModel || models.includes(model);
    if (!isThere || access === 'not-allowed') throw modelNotFound(model);
  }

  async #reply(
    { call: { signal }, body, key, model }: ModelCall,
    form: AnswerForm,
    read: (body: Record<string, unknown>) => ChatRequest,
  ): Promise<Response> {
    const { settings, drawText } = this.#service;
    const request = read(body);
    const reply = await this.#askModel(request, key, signal);
    const id = `${form.idPrefix}-${drawText(ALPHANUMERIC, 24)}`;
    const head = { id, created: seconds(settings.now()), model };
    const answer = new Answer(normalizeReply(reply, request, drawText), request, head, form);
    if (request.stream !== true) {
      const whole = await answer.whole(signal).catch(failed);
      this.#spend(key, model, answer.usage);
      return json(whole);
    }
    const onEnd = (): void => this.#spend(key, model, answer.usage);
    return new Response(eventStream(answer.events(), onEnd), {
      headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' },
    });
  }

  /** Notes what a call used; nothing where a reset came before its end, which forgot its key. */
  #spend(key: KeyRecord, model: string, usage: TokenUsage): void {
    const { vault, ledger } = this.#service;
    if (vault.recall(key.id) === key) ledger.add(key, model, usage);
  }

  async #askModel(request: ChatRequest, key: KeyRecord, signal: AbortSignal): Promise<Reply> {
    const { reply: model, now } = this.#service.settings;
    const context = { request, key: emulatedKey(key, now()), signal };
    // Called inside of a promise, so that what it throws at once is treated like what it rejects with.
    const reply = await Promise.resolve(context).then(model).catch(failed);
    // Nobody will read it: whoever made it may hold something open for it.
    if (signal.aborted && isIterable(reply)) void reply[Symbol.asyncIterator]().return?.();
    if (!isReply(reply)) throw replyUnusable();
    return reply;
  }
}

/** As a server for chat models answers, which the gateway passes on: it has no such path. */
function drawNothing(): Response {
  return json({ detail: 'Not Found' }, 404);
}

function failed(error: unknown): never {
  throw modelFailed(error instanceof Error ? error.message : String(error));
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
