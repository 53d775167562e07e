import type { Endpoint } from '../http/client.ts';
import { shownText } from '../http/errors.ts';
import { decodeJson } from './control-plane.ts';
import { creationCheck } from './schema.ts';

/** Whether one more key may be created now. */
export interface CreationCheck {
  readonly allowed: boolean;
  /** Why not, in the service's words. */
  readonly reason?: string | undefined;
}

/** For accounts; workspaces have none. */
export function checkCreationOperation(): Endpoint<CreationCheck> {
  return {
    method: 'POST',
    path: '/apikeys/check-creation',
    body: {},
    retry: 'transient',
    decode: decodeJson(
      { fields: ['allowed', 'reason'], allowEmpty: true },
      creationCheck,
      ({ allowed, reason }, _, context) => ({
        allowed: allowed ?? false,
        ...(reason && { reason: shownText(reason, context) }),
      }),
    ),
  };
}
