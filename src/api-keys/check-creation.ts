import { jsonAnswer } from '../http/read-json.ts';
import type { KeyOperation } from './control-plane.ts';
import { creationCheck } from './schema.ts';

/** Whether one more key may be created now. */
export interface CreationCheck {
  readonly allowed: boolean;
  /** Why not, in the service's words. */
  readonly reason?: string | undefined;
}

/** For accounts; workspaces have none. */
export function checkCreationOperation(): KeyOperation<CreationCheck> {
  return {
    method: 'POST',
    path: ['apikeys', 'check-creation'],
    body: {},
    pattern: '/apikeys/check-creation',
    receive: jsonAnswer(creationCheck, ({ parsed: { allowed, reason } }, _, { scrubber }) => ({
      allowed: allowed ?? false,
      ...(reason && { reason: scrubber.text(reason) }),
    })),
  };
}
