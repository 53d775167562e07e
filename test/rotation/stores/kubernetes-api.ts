import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { text } from 'node:stream/consumers';
import { freePort } from '../../support/sockets.ts';

export const NAMESPACE = 'shop';
export const TOKEN = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJlLW9mLXRoZS1wb2Q';

/** A request, and what it is answered. */
export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly contentType?: string | undefined;
  readonly authorization?: string | undefined;
  readonly body: string;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: object | string;
}

interface StoredSecret {
  readonly resourceVersion: string;
  readonly immutable?: boolean;
  readonly type: string;
  /** In base64. */
  readonly data: Readonly<Record<string, string>>;
  /** What others have put there: labels, annotations. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** The API server keeps no Secret larger than this. */
const LARGEST_SECRET = 1_048_576;

/**
 * As much of an API server of Kubernetes as there is to one kind of object in one namespace, with its rules: a bearer
 * token, a role, optimistic concurrency over `resourceVersion`, media types, base64, names, sizes, `Status` objects.
 */
export class KubernetesApi {
  readonly secrets = new Map<string, StoredSecret>();
  readonly requests: ApiRequest[] = [];
  /** Tokens that are accepted. */
  readonly tokens: Set<string> = new Set([TOKEN]);
  /** What the role allows. */
  readonly verbs: Set<string> = new Set(['get', 'create', 'patch']);
  /** Shared by all objects of a cluster, and changed by them all. */
  #resourceVersion = 1_000;

  handle(request: ApiRequest): ApiAnswer {
    this.requests.push(request);
    const token = /^Bearer (.+)$/.exec(request.authorization ?? '')?.[1];
    if (token === undefined || !this.tokens.has(token)) return status(401, 'Unauthorized', 'Unauthorized');
    const [, namespace, name] =
      /^\/api\/v1\/namespaces\/([^/]+)\/secrets(?:\/([^/]+))?$/.exec(request.path) ?? [];
    if (namespace === undefined) return { status: 404, body: '404 page not found\n' };
    const verb = { GET: 'get', POST: 'create', PATCH: 'patch' }[request.method];
    if (verb === undefined || (verb === 'create') !== (name === undefined)) {
      return status(
        405,
        'MethodNotAllowed',
        'the server does not allow this method on the requested resource',
      );
    }
    if (!this.verbs.has(verb)) {
      const who = `User "system:serviceaccount:${NAMESPACE}:checkout"`;
      const what = `cannot ${verb} resource "secrets" in API group "" in the namespace "${namespace}"`;
      return status(403, 'Forbidden', `secrets ${name ? `"${name}" ` : ''}is forbidden: ${who} ${what}`);
    }
    if (verb === 'create') return this.#create(namespace, request);
    const secret = namespace === NAMESPACE ? this.secrets.get(name ?? '') : undefined;
    if (secret === undefined) return status(404, 'NotFound', `secrets "${name}" not found`);
    return verb === 'get' ? answer(200, name ?? '', secret) : this.#patch(name ?? '', secret, request);
  }

  /** Changes a Secret as other users of the cluster do. */
  change(name: string, change: Partial<StoredSecret>): void {
    const secret = this.secrets.get(name) ?? { type: 'Opaque', data: {} };
    this.secrets.set(name, { ...secret, ...change, resourceVersion: this.#nextVersion() });
  }

  /** The entries of a Secret, decoded. */
  entries(name: string): Record<string, string> {
    const data = Object.entries(this.secrets.get(name)?.data ?? {});
    return Object.fromEntries(data.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
  }

  #nextVersion(): string {
    return String(++this.#resourceVersion);
  }

  #create(namespace: string, { contentType, body }: ApiRequest): ApiAnswer {
    if (contentType !== 'application/json') return unsupported(contentType);
    const { kind, apiVersion, metadata, data = {}, type = 'Opaque' } = JSON.parse(body);
    if (kind !== 'Secret' || apiVersion !== 'v1')
      return status(400, 'BadRequest', 'the object is not a Secret');
    if (namespace !== NAMESPACE) return status(404, 'NotFound', `namespaces "${namespace}" not found`);
    const { name } = metadata;
    if (this.secrets.has(name)) return status(409, 'AlreadyExists', `secrets "${name}" already exists`);
    return this.#store(201, name, { type, data });
  }

  #patch(name: string, secret: StoredSecret, { contentType, body }: ApiRequest): ApiAnswer {
    if (contentType !== 'application/merge-patch+json') return unsupported(contentType);
    const { metadata, data = {} } = JSON.parse(body);
    if (metadata?.resourceVersion !== undefined && metadata.resourceVersion !== secret.resourceVersion) {
      return status(
        409,
        'Conflict',
        `Operation cannot be fulfilled on secrets "${name}": the object has been modified; please apply your changes to the latest version and try again`,
      );
    }
    if (secret.immutable) return invalid(name, 'data: Forbidden: field is immutable when `immutable` is set');
    return this.#store(200, name, { ...secret, data: { ...secret.data, ...data } });
  }

  #store(code: number, name: string, secret: Omit<StoredSecret, 'resourceVersion'>): ApiAnswer {
    const entries = Object.entries(secret.data);
    const wrongName = entries.find(([key]) => !/^[-._a-zA-Z0-9]{1,253}$/.test(key));
    if (wrongName) return invalid(name, `data[${wrongName[0]}]: Invalid value: "${wrongName[0]}"`);
    if (entries.some(([, value]) => Buffer.from(value, 'base64').toString('base64') !== value)) {
      return status(400, 'BadRequest', 'Secret in version "v1" cannot be handled: illegal base64 data');
    }
    const size = entries.reduce((sum, [, value]) => sum + Buffer.from(value, 'base64').length, 0);
    if (size > LARGEST_SECRET)
      return invalid(name, `data: Too long: may not be more than ${LARGEST_SECRET} bytes`);
    const stored = { ...secret, resourceVersion: this.#nextVersion() };
    this.secrets.set(name, stored);
    return answer(code, name, stored);
  }
}

/** A fetch that leads to an API server in this process. */
export function fetchOf(api: KubernetesApi): (url: string, init: RequestInit) => Promise<Response> {
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

function answer(code: number, name: string, { resourceVersion, labels, ...secret }: StoredSecret): ApiAnswer {
  const metadata = { name, namespace: NAMESPACE, resourceVersion, ...(labels && { labels }) };
  // Go leaves out an empty map.
  const { data, ...rest } = secret;
  const filled = Object.keys(data).length > 0 ? { data } : {};
  return { status: code, body: { kind: 'Secret', apiVersion: 'v1', metadata, ...filled, ...rest } };
}

function status(code: number, reason: string, message: string): ApiAnswer {
  const body = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
  return { status: code, body };
}

function invalid(name: string, what: string): ApiAnswer {
  return status(422, 'Invalid', `Secret "${name}" is invalid: ${what}`);
}

function unsupported(contentType: string | undefined): ApiAnswer {
  return status(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format: ${contentType}`,
  );
}

/** An API server on a port of this machine. */
export interface ListeningApi {
  readonly port: number;
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** @param tls - A certificate and its key, for https. */
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
