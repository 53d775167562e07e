/** `control` manages keys, `data` serves models. */
export type EmulatedPlane = 'control' | 'data';

/**
 * What a request asks for. The first ones are the control plane's, in the account and in workspaces alike: `list`
 * stands for the plain and the masked list, `usage` for both methods of `apikeys-stats`. `completions` is the older
 * endpoint, without chat.
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

/** Which plane a path belongs to; neither, for anything else that is served. */
export function planeOf(path: string): EmulatedPlane | undefined {
  if (path.startsWith('/apis/')) return 'control';
  return path.startsWith('/v1/') ? 'data' : undefined;
}
