import { type Handler, Hono } from 'hono';
import type { Secret } from '../secret/secret.ts';
import { invalidBody, keyNotFound, limitReached, limitReason, unauthenticated } from './control-errors.ts';
import { readNewKey, readPageQuery } from './control-requests.ts';
import { bearerToken, json, jsonObject, methodNotAllowed } from './http.ts';
import { keyMessage, withoutZeros } from './key-message.ts';
import { preferredLanguage } from './language.ts';
import type { Settings } from './options.ts';
import { selectPage } from './page.ts';
import type { KeyRecord, State } from './state.ts';

const BASE_PATH = '/apis/hydra.io/v1alpha1';

/** The handlers of one path by their methods; any other method is answered with 405. */
type Resource = Readonly<Partial<Record<'GET' | 'POST' | 'PUT' | 'DELETE', Handler>>>;

/** The API that manages keys. */
export function controlPlane(state: State, settings: Settings, accessToken: Secret): Hono {
  const plane = new Hono().basePath(BASE_PATH);

  // Before anything else, unknown paths included: a stranger does not learn what there is.
  plane.use('*', async (context, next) => {
    const token = bearerToken(context.req.raw);
    if (token === undefined || !accessToken.equals(token)) throw unauthenticated(token);
    await next();
  });
  for (const [path, resource] of Object.entries(accountResources(state, settings))) {
    for (const [method, handler] of Object.entries(resource)) plane.on(method, path, handler);
    plane.all(path, () => methodNotAllowed(Object.keys(resource)));
  }
  return plane;
}

/** By their paths. A fixed path has to come before a pattern that fits it too. */
function accountResources(state: State, settings: Settings): Record<string, Resource> {
  const { now, version } = settings;
  const hasMaskedPaths = version === '0.17';

  const create: Handler = async ({ req }) => {
    const key = readNewKey(await requireObject(req.raw));
    if (state.full) throw limitReached(settings.maxKeys);
    return json(keyMessage(state.create(key), now(), 'whole'));
  };

  const list =
    (showing: 'masked' | 'whole'): Handler =>
    ({ req }) => {
      const query = readPageQuery(new URL(req.url).searchParams);
      const { items, total } = selectPage(state.keys(), query);
      return json(
        withoutZeros({
          items: items.map((key) => keyMessage(key, now(), showing)),
          page: withoutZeros({ ...query, total }),
        }),
      );
    };

  const checkCreation: Handler = async ({ req }) => {
    await requireObject(req.raw);
    if (!state.full) return json({ allowed: true });
    const language = preferredLanguage(req.header('accept-language') ?? null);
    return json({ allowed: false, reason: limitReason(settings.maxKeys)[language] });
  };

  const remove: Handler = async ({ req }) => {
    await requireObject(req.raw);
    const id = req.param('id') ?? '';
    return json(keyMessage(known(id, state.delete(id)), now(), 'masked'));
  };

  const showSecret: Handler = ({ req }) => {
    const id = req.param('id') ?? '';
    return json({ id, key: known(id, state.find(id)).secret.reveal() });
  };

  return {
    '/apikeys': { GET: list(hasMaskedPaths ? 'masked' : 'whole'), POST: create },
    ...(hasMaskedPaths && {
      '/masked-apikeys': { GET: list('masked') },
      '/apikeys/:id/secret': { GET: showSecret },
    }),
    '/apikeys/check-creation': { POST: checkCreation },
    '/apikeys/:id': { DELETE: remove },
  };
}

async function requireObject(request: Request): Promise<Record<string, unknown>> {
  const body = await jsonObject(request);
  if (body === undefined) throw invalidBody();
  return body;
}

function known(id: string, record: KeyRecord | undefined): KeyRecord {
  if (record === undefined) throw keyNotFound(id);
  return record;
}
