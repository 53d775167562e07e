import { mask } from '../../secret/mask.ts';
import { pageJson } from './page-answer.ts';

/** Where the control plane is, and what of it the page may call. Showing a key again is not among it. */
const CONTROL_PLANE = '/apis/hydra.io/v1alpha1';
const CALLS = [
  /^GET \/(?:masked-)?apikeys$/,
  /^POST \/apikeys(?:\/check-creation)?$/,
  /^DELETE \/apikeys\/[^/]+$/,
];

/** Whether the page may make this call; the path begins below that of the control plane. */
export function isKeyCall(method: string, path: string): boolean {
  return CALLS.some((call) => call.test(`${method} ${path}`));
}

/**
 * Makes one of the page's calls at the control plane itself, where it is noted, limited and refused like any
 * client's, and masks every key of the answer: lists of versions before 0.17 carry whole ones. Only the answer to a
 * creation keeps its key, for that is where it is shown.
 */
export async function callControlPlane(
  fetch: (request: Request) => Promise<Response>,
  request: Request,
  path: string,
): Promise<Response> {
  const { method, signal } = request;
  const { origin, search } = new URL(request.url);
  const headers = new Headers();
  for (const name of ['authorization', 'accept-language', 'content-type']) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  const response = await fetch(
    new Request(`${origin}${CONTROL_PLANE}${path}${search}`, {
      method,
      headers,
      signal,
      ...(method === 'GET' ? {} : { body: await request.text() }),
    }),
  );
  const showsKey = response.ok && method === 'POST' && path === '/apikeys';
  const body = parse(await response.text(), showsKey);
  // The text is not passed on: where it cannot be read, its keys cannot be masked.
  if (body === undefined) {
    const message = 'The control plane did not answer in JSON';
    return pageJson({ message }, response.ok ? 502 : response.status);
  }
  return pageJson(body, response.status);
}

/** Undefined for what is no JSON. Keys are masked wherever they stand. */
function parse(text: string, showsKey: boolean): unknown {
  try {
    return JSON.parse(text, (field, value: unknown) =>
      field === 'key' && typeof value === 'string' && !showsKey ? mask(value) : value,
    );
  } catch {
    return undefined;
  }
}
