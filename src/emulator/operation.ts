/** `control` manages API keys, `data` serves models. */
export type EmulatedPlane = 'control' | 'data';

/**
 * What a request asks for. The operations up to `usage` belong to the control plane, in the account and in workspaces
 * alike: `list` is the plain and the masked list, `usage` both methods of `apikeys-stats`. `completions` is the
 * older endpoint without chat.
 */
export type EmulatedOperation =
  | 'create'
  | 'list'
  | 'listMine'
  | 'reveal'
  | 'delete'
  | 'checkCreation'
  | 'setStatus'
  | 'setQuota'
  | 'usage'
  | 'models'
  | 'chat'
  | 'completions'
  | 'images';

/** The plane that serves a path. */
export function planeOf(path: string): EmulatedPlane | undefined {
  if (path.startsWith('/apis/')) return 'control';
  return path.startsWith('/v1/') ? 'data' : undefined;
}
