/** A plane of the service: `control` manages API keys, and `data` serves models. */
export type EmulatedPlane = 'control' | 'data';

export const CONTROL_OPERATIONS = [
  'create',
  'list',
  'listMine',
  'reveal',
  'delete',
  'checkCreation',
  'setStatus',
  'setQuota',
  'usage',
] as const;

export const DATA_OPERATIONS = ['models', 'chat', 'completions', 'images'] as const;

/**
 * The operation that a request performs. The account and its workspaces have the same control-plane operations. `list`
 * covers the plain and the masked list, and `usage` covers both methods of `apikeys-stats`. On the data plane,
 * `completions` is the older endpoint `/v1/completions`.
 */
export type EmulatedOperation = (typeof CONTROL_OPERATIONS)[number] | (typeof DATA_OPERATIONS)[number];

/** Returns the plane that serves a path, or `undefined` if neither plane does. */
export function planeOf(path: string): EmulatedPlane | undefined {
  if (path.startsWith('/apis/')) return 'control';
  return path.startsWith('/v1/') ? 'data' : undefined;
}
