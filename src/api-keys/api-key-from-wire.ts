import { mask } from '../secret/mask.ts';
import type { Redactor } from '../secret/redactor.ts';
import type { WireApiKey } from '../wire/control-plane.ts';
import type { ApiKey } from './types.ts';

/**
 * An API key as the wire has it, made into one that may be shown.
 *
 * @param redactor - Knows every key that came in the same answer: each is possibly whole, and may stand in any
 * field.
 */
export function apiKeyFromWire(wire: WireApiKey & { readonly id: string }, redactor: Redactor): ApiKey {
  const clean = (text: string): string => redactor.redact(text);
  return {
    id: clean(wire.id),
    name: clean(wire.name ?? ''),
    maskedKey: mask(wire.key ?? ''),
    // Left out, it has protobuf's zero value.
    createdAt: new Date(wire.creationTimestamp || 0),
    ...(wire.expireTime && { expiresAt: new Date(wire.expireTime) }),
    expired: wire.expired ?? false,
    disabled: wire.disabled ?? false,
    ...(wire.lastUsedTime && { lastUsedAt: new Date(wire.lastUsedTime) }),
    ...(wire.createBy && { createdBy: clean(wire.createBy) }),
    ...(wire.userId && { userId: clean(wire.userId) }),
    ...(wire.workspace && { workspace: wire.workspace }),
    allowModels: (wire.allowModels ?? []).map(clean),
    denyModels: (wire.denyModels ?? []).map(clean),
  };
}
