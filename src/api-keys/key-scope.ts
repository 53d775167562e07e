import { ConfigurationError } from '../errors/index.ts';

/** Whose keys a client manages: the paths of both begin differently, and are otherwise the same. */
export interface KeyScope {
  readonly kind: 'account' | 'workspace';
  /** What comes before the path of an endpoint. */
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
}

export const ACCOUNT: KeyScope = { kind: 'account', path: '', params: {} };

/** @throws ConfigurationError if the number is not one that a workspace can have. */
export function workspaceScope(workspace: number): KeyScope {
  if (!(Number.isInteger(workspace) && workspace >= 1 && workspace < 2 ** 31)) {
    throw new ConfigurationError('workspace must be the number of a workspace: whole, 1 or more', {
      option: 'workspace',
    });
  }
  return {
    kind: 'workspace',
    path: '/workspaces/{workspace}',
    params: { workspace: String(workspace) },
  };
}
