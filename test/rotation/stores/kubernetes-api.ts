import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { text } from 'node:stream/consumers';
import { freePort } from '../../support/sockets.ts';

export const NAMESPACE = 'shop';
export const TOKEN = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJlLW9mLXRoZS1wb2Q';

export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly contentType?: string | undefined;
  readonly authorization?: string | undefined;
  readonly body: string;
}

export interface ApiResponse {
  readonly status: number;
  readonly body: object | string;
}

interface StoredSecret {
  readonly resourceVersion: string;
  readonly immutable?: boolean;
  readonly type: string;
  /** Base64-encoded. */
  readonly data: Readonly<Record<string, string>>;
  /** Labels that other clients have set. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** Maximum size of a Secret. */
const MAX_SECRET_BYTES = 1_048_576;

/**
 * A double of the Kubernetes API server for the Secrets of one namespace. It checks the bearer token, the role,
 * `resourceVersion`, media types, base64, names and sizes, and reports errors as `Status` objects.
 */
export class KubernetesApi {
  readonly secrets = new Map<string, StoredSecret>();
  readonly requests: ApiRequest[] = [];
  /** Accepted tokens. */
  readonly tokens: Set<string> = new Set([TOKEN]);
  /** Verbs that the role allows. */
  readonly verbs: Set<string> = new Set(['get', 'create', 'patch']);
  /** All objects of a cluster share this counter. */
  #resourceVersion = 1_000;

  handle(request: ApiRequest): ApiResponse {
    this.requests.push(request);
    const token = /^Bearer (.+)$/.exec(request.authorization ?? '')?.[1];
    if (token === undefined || !this.tokens.has(token))
      return statusResponse(401, 'Unauthorized', 'Unauthorized');
    const [, namespace, name] =
      /^\/api\/v1\/namespaces\/([^/]+)\/secrets(?:\/([^/]+))?$/.exec(request.path) ?? [];
    if (namespace === undefined) return { status: 404, body: '404 page not found\n' };
    const verb = { GET: 'get', POST: 'create', PATCH: 'patch' }[request.method];
    if (verb === undefined || (verb === 'create') !== (name === undefined)) {
      return statusResponse(
        405,
        'MethodNotAllowed',
        'the server does not allow this method on the requested resource',
      );
    }
    if (!this.verbs.has(verb)) {
      const who = `User "system:serviceaccount:${NAMESPACE}:checkout"`;
      const what = `cannot ${verb} resource "secrets" in API group "" in the namespace "${namespace}"`;
      return statusResponse(
        403,
        'Forbidden',
        `secrets ${name ? `"${name}" ` : ''}is forbidden: ${who} ${what}`,
      );
    }
    if (verb === 'create') return this.#create(namespace, request);
    const secret = namespace === NAMESPACE ? this.secrets.get(name ?? '') : undefined;
    if (secret === undefined) return statusResponse(404, 'NotFound', `secrets "${name}" not found`);
    return verb === 'get'
      ? secretResponse(200, name ?? '', secret)
      : this.#patch(name ?? '', secret, request);
  }

  /** Changes a Secret, as another client of the cluster does. */
  change(name: string, change: Partial<StoredSecret>): void {
    const secret = this.secrets.get(name) ?? { type: 'Opaque', data: {} };
    this.secrets.set(name, { ...secret, ...change, resourceVersion: this.#nextVersion() });
  }

  /** Returns the decoded entries of a Secret. */
  entries(name: string): Record<string, string> {
    const data = Object.entries(this.secrets.get(name)?.data ?? {});
    return Object.fromEntries(data.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
  }

  #nextVersion(): string {
    return String(++this.#resourceVersion);
  }

  #create(namespace: string, { contentType, body }: ApiRequest): ApiResponse {
    if (contentType !== 'application/json') return unsupported(contentType);
    const { kind, apiVersion, metadata, data = {}, type = 'Opaque' } = JSON.parse(body);
    if (kind !== 'Secret' || apiVersion !== 'v1')
      return statusResponse(400, 'BadRequest', 'the object is not a Secret');
    if (namespace !== NAMESPACE)
      return statusResponse(404, 'NotFound', `namespaces "${namespace}" not found`);
    const { name } = metadata;
    if (this.secrets.has(name))
      return statusResponse(409, 'AlreadyExists', `secrets "${name}" already exists`);
    return this.#store(201, name, { type, data });
  }

  #patch(name: string, secret: StoredSecret, { contentType, body }: ApiRequest): ApiResponse {
    if (contentType !== 'application/merge-patch+json') return unsupported(contentType);
    const { metadata, data = {} } = JSON.parse(body);
    if (metadata?.resourceVersion !== undefined && metadata.resourceVersion !== secret.resourceVersion) {
      return statusResponse(
        409,
        'Conflict',
        `Operation cannot be fulfilled on secrets "${name}": the object has been modified; please apply your changes to the latest version and try again`,
      );
    }
    if (secret.immutable) return invalid(name, 'data: Forbidden: field is immutable when `immutable` is set');
    return this.#store(200, name, { ...secret, data: { ...secret.data, ...data } });
  }

  #store(code: number, name: string, secret: Omit<StoredSecret, 'resourceVersion'>): ApiResponse {
    const entries = Object.entries(secret.data);
    const wrongName = entries.find(([key]) => !/^[-._a-zA-Z0-9]{1,253}$/.test(key));
    if (wrongName) return invalid(name, `data[${wrongName[0]}]: Invalid value: "${wrongName[0]}"`);
    if (entries.some(([, value]) => Buffer.from(value, 'base64').toString('base64') !== value)) {
      return statusResponse(
        400,
        'BadRequest',
        'Secret in version "v1" cannot be handled: illegal base64 data',
      );
    }
    const size = entries.reduce((sum, [, value]) => sum + Buffer.from(value, 'base64').length, 0);
    if (size > MAX_SECRET_BYTES)
      return invalid(name, `data: Too long: may not be more than ${MAX_SECRET_BYTES} bytes`);
    const stored = { ...secret, resourceVersion: this.#nextVersion() };
    this.secrets.set(name, stored);
    return secretResponse(code, name, stored);
  }
}

/** A `fetch` that sends requests to an API server in this process. */
export function fetchFrom(api: KubernetesApi): (url: string, init: RequestInit) => Promise<Response> {
  return async (url, init) => {
    const headers = new Headers(init.headers);
    const { status, body } = api.handle({
      method: init.method ?? 'GET',
      path: new URL(url).pathname,
      contentType: headers.get('content-type') ?? undefined,
      authorization: headers.get('authorization') ?? undefined,
      body: String(init.body ?? ''),
    });
    return new Response(typeof body === 'string' ? body : JSON.stringify(body), { status });
  };
}

function secretResponse(
  code: number,
  name: string,
  { resourceVersion, labels, ...secret }: StoredSecret,
): ApiResponse {
  const metadata = { name, namespace: NAMESPACE, resourceVersion, ...(labels && { labels }) };
  // Go omits an empty map.
  const { data, ...rest } = secret;
  const nonEmptyData = Object.keys(data).length > 0 ? { data } : {};
  return { status: code, body: { kind: 'Secret', apiVersion: 'v1', metadata, ...nonEmptyData, ...rest } };
}

function statusResponse(code: number, reason: string, message: string): ApiResponse {
  const body = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
  return { status: code, body };
}

function invalid(name: string, what: string): ApiResponse {
  return statusResponse(422, 'Invalid', `Secret "${name}" is invalid: ${what}`);
}

function unsupported(contentType: string | undefined): ApiResponse {
  return statusResponse(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format: ${contentType}`,
  );
}

/** An API server that listens on a local port. */
export interface ListeningApi {
  readonly port: number;
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** @param tls - Certificate and private key for HTTPS. */
export async function listen(api: KubernetesApi, tls?: { cert: string; key: string }): Promise<ListeningApi> {
  const onRequest: RequestListener = async (request, response) => {
    const { headers } = request;
    const { status: code, body } = api.handle({
      method: request.method ?? '',
      path: request.url ?? '',
      contentType: headers['content-type'],
      authorization: headers.authorization,
      body: await text(request),
    });
    const isText = typeof body === 'string';
    response.writeHead(code, { 'content-type': isText ? 'text/plain; charset=utf-8' : 'application/json' });
    response.end(isText ? body : JSON.stringify(body));
  };
  const server: Server = tls ? createSecureServer(tls, onRequest) : createServer(onRequest);
  const port = await freePort();
  const start = async (): Promise<void> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  const close = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  await start();
  return {
    port,
    close,
    async restart() {
      await close();
      await start();
    },
  };
}
