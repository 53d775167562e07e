import {
  ApiError,
  ApiKeyLimitError,
  ConfigurationError,
  type DrunError,
  InvalidResponseError,
  NotFoundError,
} from '../errors/index.ts';
import type { CredentialSource } from '../secret/credential-source.ts';
import { Redactor } from '../secret/redactor.ts';
import { Secret } from '../secret/secret.ts';
import { validBaseUrl, validPathSegment } from '../transport/base-url.ts';
import type { CallOptions, FetchFunction, HeadersOption } from '../transport/call-options.ts';
import type { CallScope } from '../transport/call-scope.ts';
import { givenOrFromEnvironment, refuseBrowser } from '../transport/environment.ts';
import { jsonAnswer } from '../transport/read-json.ts';
import { isTransient } from '../transport/retry.ts';
import { sendByKy } from '../transport/send-by-ky.ts';
import { cannotHaveHappened, type Operation, Transport } from '../transport/transport.ts';
import { apiKeyPage, createdApiKey, creationCheck, deletedApiKey } from '../wire/control-plane.ts';
import { apiKeyFromWire } from './api-key-from-wire.ts';
import { ApiKeyList, type FetchedPage } from './api-key-list.ts';
import type {
  CreateApiKeyInput,
  CreatedApiKey,
  CreationCheck,
  DeletedApiKey,
  ListApiKeysQuery,
} from './types.ts';

const CONSOLE_URL = 'https://console.d.run';
const API_ROOT = ['apis', 'hydra.io', 'v1alpha1'] as const;

type ListPath = 'masked-apikeys' | 'apikeys';

/** How an {@link ApiKeys} client is set up. */
export interface ApiKeysOptions {
  /**
   * An access token of the console (Personal Center, Access Keys). Default: the environment variable
   * `DRUN_ACCESS_TOKEN`, where there is a process.
   */
  readonly accessToken?: CredentialSource | undefined;
  /** Where the control plane is: https, or http to this machine. Default: `https://console.d.run`. */
  readonly baseUrl?: string | URL | undefined;
  /** How long a call may take in milliseconds, its repetitions and its answer included. Default: 30 000. */
  readonly timeoutMs?: number | undefined;
  /** How often a call is repeated where that is safe and may help. Default: 2. */
  readonly maxRetries?: number | undefined;
  /** Used in place of the global `fetch`. */
  readonly fetch?: FetchFunction | undefined;
  /** Sent with every call. */
  readonly headers?: HeadersOption | undefined;
  /** The language of the service's messages (`Accept-Language`), such as `en` or `zh`. Default: `en`. */
  readonly language?: string | undefined;
  /** Allows use in a page, where every visitor can read the access token. Default: false. */
  readonly dangerouslyAllowBrowser?: boolean | undefined;
}

/**
 * Creates, lists and deletes the API keys of an account.
 *
 * Every method rejects with a {@link ConfigurationError} where an argument cannot be used (nothing is sent
 * then), with the signal's reason where it was aborted, and else with one of the errors of `drun-sdk/errors`.
 *
 * @example
 * ```ts
 * import { ApiKeys } from 'drun-sdk/api-keys';
 *
 * const keys = new ApiKeys({ accessToken: process.env.DRUN_ACCESS_TOKEN });
 * const created = await keys.create({ name: 'checkout' });
 * console.log(created.maskedKey); // sk-******7ucU
 * for await (const key of keys.list()) console.log(key.name, key.createdAt, key.maskedKey);
 * await keys.delete(created.id);
 * ```
 */
export class ApiKeys {
  readonly #transport: Transport;
  /** Servers before 0.17 have no list that they mask themselves; found out at the first list. */
  #listPath: ListPath | undefined;

  /** @throws ConfigurationError if an option cannot be used; the message names it, and repeats no credential. */
  constructor(options: ApiKeysOptions = {}) {
    refuseBrowser('accessToken', options.dangerouslyAllowBrowser);
    const language = options.language ?? 'en';
    if (typeof language !== 'string' || !/^[a-z\d]+(?:-[a-z\d]+)*$/i.test(language)) {
      throw new ConfigurationError('language must be a language tag, such as en or zh', {
        option: 'language',
      });
    }
    this.#transport = new Transport({
      baseUrl: validBaseUrl(options.baseUrl ?? CONSOLE_URL),
      credential: givenOrFromEnvironment(options.accessToken, 'accessToken', 'DRUN_ACCESS_TOKEN'),
      credentialOption: 'accessToken',
      timeoutMs: options.timeoutMs ?? 30_000,
      maxRetries: options.maxRetries ?? 2,
      fetch: options.fetch,
      sender: sendByKy,
      headers: options.headers,
      defaultHeaders: { 'accept-language': language },
    });
  }

  /**
   * Creates an API key (`POST /apikeys`).
   *
   * Sent once, and repeated only where nothing can have come of it: after a 429, or when no connection was
   * opened. After any other failure there may be a key that nobody holds: look for its name in the list.
   *
   * @returns the key, whole in `secret` this one time.
   * @throws ApiKeyLimitError if the account has as many keys as it may have, as the service's own check tells. Where
   * its `status` is 500, this call may have made the last one of them.
   * @throws ConfigurationError if the name is empty or the date is none.
   */
  async create(input: CreateApiKeyInput, options: CallOptions = {}): Promise<CreatedApiKey> {
    const label = 'POST /apikeys';
    return this.#transport.call(
      {
        method: 'POST',
        path: [...API_ROOT, 'apikeys'],
        body: createBody(input),
        label,
        mayRepeat: async (error, scope) => {
          await this.#throwIfAtLimit(error, scope, options.headers);
          return cannotHaveHappened(error);
        },
        receive: jsonAnswer(createdApiKey, ({ parsed: { key, ...wire } }, response, context) => {
          if (!key || key.includes('*') || !/^[\x21-\x7e]+$/.test(key)) {
            const issues = [{ path: ['key'], message: 'expected the whole key' }];
            const message = `${label}: ${response.status} without the whole key; the key ${wire.id} was made, and nobody holds it`;
            throw new InvalidResponseError(context.scrubber.text(message), {
              status: response.status,
              issues,
            });
          }
          return { ...apiKeyFromWire({ ...wire, key }, new Redactor([key])), secret: new Secret(key) };
        }),
      },
      options,
    );
  }

  /**
   * Lists API keys: `await` gives one page, `for await` walks all of them, page by page.
   *
   * Asks the list that the server masks itself, and once it has found that the server is older than 0.17 and
   * has none, the plain one. Either way keys are masked here too.
   */
  list(query: ListApiKeysQuery = {}, options: CallOptions = {}): ApiKeyList {
    // The caller's object is read once: what becomes of it during a walk does not matter.
    const { page = 1, ...rest } = { ...query };
    return new ApiKeyList(page, async (number) => this.#page({ ...rest, page: number }, options));
  }

  async #page(query: ListApiKeysQuery & { page: number }, options: CallOptions): Promise<FetchedPage> {
    const params = pageParams(query);
    const ask = (path: ListPath): Promise<FetchedPage> =>
      this.#transport.call(listOperation(path, params, query), options);
    if (this.#listPath !== undefined) return ask(this.#listPath);
    try {
      const answer = await ask('masked-apikeys');
      this.#listPath = 'masked-apikeys';
      return answer;
    } catch (error) {
      if (!isMissingPath(error)) throw error;
      const answer = await ask('apikeys');
      this.#listPath = 'apikeys';
      return answer;
    }
  }

  /**
   * Deletes an API key (`DELETE /apikeys/{id}`). From then on the service refuses it.
   *
   * May be repeated, since it can be carried out only once: a repetition that no longer finds the key is a
   * success, while a first attempt that does not find it is a {@link NotFoundError}.
   *
   * @param id - The key's id, never the key.
   */
  async delete(id: string, options: CallOptions = {}): Promise<DeletedApiKey> {
    const label = 'DELETE /apikeys/{id}';
    let mayHaveHappened = false;
    const operation: Operation<DeletedApiKey> = {
      method: 'DELETE',
      path: [...API_ROOT, 'apikeys', validPathSegment(id, 'id')],
      // The contract asks for a body, and a server that holds to it refuses without.
      body: {},
      label,
      mayRepeat: (error) => {
        const mayHelp = isTransient(error);
        mayHaveHappened ||= mayHelp && !cannotHaveHappened(error);
        return mayHelp;
      },
      receive: jsonAnswer(deletedApiKey, ({ parsed: wire }, response) => {
        if (wire.id && wire.id !== id) {
          const issues = [{ path: ['id'], message: 'expected the id that was asked for' }];
          throw new InvalidResponseError(`${label}: ${response.status} about another key`, {
            status: response.status,
            issues,
          });
        }
        return apiKeyFromWire({ ...wire, id }, new Redactor([wire.key ?? '']));
      }),
    };
    try {
      return await this.#transport.call(operation, options);
    } catch (error) {
      if (mayHaveHappened && error instanceof NotFoundError) return { id };
      throw error;
    }
  }

  /** Asks whether one more key may be created now (`POST /apikeys/check-creation`). */
  async canCreate(options: CallOptions = {}): Promise<CreationCheck> {
    return this.#transport.call(
      {
        method: 'POST',
        path: [...API_ROOT, 'apikeys', 'check-creation'],
        body: {},
        label: 'POST /apikeys/check-creation',
        receive: jsonAnswer(creationCheck, ({ parsed: { allowed, reason } }, _, { scrubber }) => ({
          allowed: allowed ?? false,
          ...(reason && { reason: scrubber.text(reason) }),
        })),
      },
      options,
    );
  }

  /**
   * The contract names no status and no id for "limit reached": the one documented way to know is to ask. Asked
   * after every refusal but those that say something else for certain: a refused credential, a path that is not
   * there, and a gateway that did not reach the service.
   */
  async #throwIfAtLimit(
    error: DrunError,
    scope: CallScope,
    headers: HeadersOption | undefined,
  ): Promise<void> {
    if (!(error instanceof ApiError) || [401, 404, 408, 502, 503, 504].includes(error.status)) return;
    let check: CreationCheck;
    try {
      const timeoutMs = Math.max(1, scope.remainingMs);
      check = await this.canCreate({ signal: scope.signal, timeoutMs, maxRetries: 0, headers });
    } catch {
      // Not answered: then the error stays what it is.
      scope.throwIfEnded();
      return;
    }
    if (check.allowed) return;
    const { status, serviceCode, requestId } = error;
    const reason = check.reason ?? 'no reason given';
    throw new ApiKeyLimitError(
      `no further API key is allowed: ${reason}. Delete one that is no longer used first`,
      {
        status,
        serviceCode,
        requestId,
        reason,
      },
    );
  }
}

function createBody(input: CreateApiKeyInput): { name: string; expireTime?: string } {
  // Plain JavaScript may leave it out altogether.
  const { name, expiresAt } = input ?? {};
  if (typeof name !== 'string' || name.trim() === '') {
    throw new ConfigurationError('name must be a text that is not empty', { option: 'name' });
  }
  if (expiresAt === undefined) return { name };
  if (!(expiresAt instanceof Date) || Number.isNaN(expiresAt.getTime())) {
    throw new ConfigurationError('expiresAt must be a valid Date', { option: 'expiresAt' });
  }
  const expireTime = expiresAt.toISOString();
  // RFC 3339 has four digits for a year.
  if (!/^\d{4}-/.test(expireTime)) {
    throw new ConfigurationError('expiresAt must be in the years 0 to 9999', { option: 'expiresAt' });
  }
  return { name, expireTime };
}

function pageParams({ page, pageSize, search, sort }: ListApiKeysQuery & { page: number }): URLSearchParams {
  const params = new URLSearchParams({ 'page.page': String(positive(page, 'page')) });
  if (pageSize !== undefined) params.set('page.pageSize', String(positive(pageSize, 'pageSize')));
  if (search !== undefined && search !== '') params.set('page.search', search);
  if (sort !== undefined) params.set('page.sort', sort === 'createdAt' ? 'creationTimestamp' : sort);
  return params;
}

function positive(value: number, option: string): number {
  // The wire's numbers are int32.
  if (!(Number.isInteger(value) && value >= 1 && value < 2 ** 31)) {
    throw new ConfigurationError(`${option} must be a whole number, 1 or more`, { option });
  }
  return value;
}

function listOperation(
  path: ListPath,
  query: URLSearchParams,
  asked: { page: number; pageSize?: number | undefined },
): Operation<FetchedPage> {
  return {
    method: 'GET',
    path: [...API_ROOT, path],
    query,
    label: `GET /${path}`,
    // A server that lacks the path will not have it a moment later.
    mayRepeat: (error) => isTransient(error) && !isMissingPath(error),
    receive: jsonAnswer(apiKeyPage, ({ parsed: { items, page } }) => {
      // One item's key may stand in another one's name.
      const redactor = new Redactor((items ?? []).map(({ key }) => key ?? ''));
      const keys = (items ?? []).map((item) => apiKeyFromWire(item, redactor));
      // A count of nothing for a page with something on it is a count left out.
      const total = page?.total || undefined;
      return {
        page: {
          items: keys,
          page: page?.page || asked.page,
          pageSize: page?.pageSize || asked.pageSize || keys.length,
          total: total ?? keys.length,
        },
        total,
      };
    }),
  };
}

/** What routers answer for a path that they do not have. */
function isMissingPath(error: unknown): boolean {
  return error instanceof ApiError && [404, 405, 501].includes(error.status);
}
