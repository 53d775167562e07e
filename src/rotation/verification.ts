import type { Secret } from '../secret/secret.ts';
import type { KeyVerifier } from './interfaces.ts';

/** Whether the service accepts a key. `undecided` if it could not decide: quotas and failures say nothing about the key. */
export type Verdict =
  | { readonly kind: 'accepted'; readonly models: readonly string[] }
  | { readonly kind: 'rejected' }
  | { readonly kind: 'undecided' };

/** Codes with which the service refuses a request of a key that it accepts. */
const NOT_ABOUT_THE_KEY: readonly (string | undefined)[] = [
  'insufficient_quota',
  'permission_denied',
  'rate_limited',
  'server_error',
];

/** Asks the service about a key. */
export async function verify(verifier: KeyVerifier, secret: Secret, signal: AbortSignal): Promise<Verdict> {
  try {
    const result = await verifier.verify(secret, { signal });
    if (result.accepted) return { kind: 'accepted', models: result.models };
    return { kind: NOT_ABOUT_THE_KEY.includes(result.code) ? 'undecided' : 'rejected' };
  } catch {
    signal.throwIfAborted();
    return { kind: 'undecided' };
  }
}

/** Whether an accepted key may use all models of the current one, if those can be listed. */
export function covers(
  { models }: { readonly models: readonly string[] },
  current: Verdict | undefined,
): boolean {
  if (current?.kind !== 'accepted') return true;
  return current.models.every((model) => models.includes(model));
}
