import * as z from 'zod/mini';
import type { Quota } from '../keys/key-record.ts';
import { count, flag, moment, parseRequest } from './parse-request.ts';

/*
 * What the control plane is asked for. Fields that it does not know are ignored: the contract does not close its
 * types.
 */

const name = /* @__PURE__ */ z.string().check(/* @__PURE__ */ z.minLength(1));

const accountKey = /* @__PURE__ */ z.object({ name, expireTime: moment });

const workspaceKey = /* @__PURE__ */ z.object({
  name,
  expireTime: moment,
  quota: count,
  unlimitedQuota: flag,
});

const statusChange = /* @__PURE__ */ z.object({ disabled: flag });

const quotaChange = /* @__PURE__ */ z.object({ quota: count, unlimitedQuota: flag });

/** What a key is to be. */
export interface RequestedKey {
  readonly name: string;
  readonly expiresAt: number;
  readonly quota: Quota;
}

export function readAccountKey(body: Record<string, unknown>): RequestedKey {
  const { name, expireTime } = parseRequest(accountKey, body);
  return { name, expiresAt: expiry(expireTime), quota: 'unlimited' };
}

/**
 * Whether a key without any word of a quota has one is documented nowhere. Taken here for one without a limit: taken
 * literally, as protobuf's zero, it could not be used at all.
 */
export function readWorkspaceKey(body: Record<string, unknown>): RequestedKey {
  const { name, expireTime, quota, unlimitedQuota } = parseRequest(workspaceKey, body);
  const saysNothing = typeof quota !== 'string' && typeof unlimitedQuota !== 'boolean';
  return {
    name,
    expiresAt: expiry(expireTime),
    quota: saysNothing ? 'unlimited' : quotaOf({ quota, unlimitedQuota }),
  };
}

/** Left out, it is false. */
export function readStatus(body: Record<string, unknown>): boolean {
  return parseRequest(statusChange, body).disabled ?? false;
}

/** Left out, the quota is zero, and limited. */
export function readQuota(body: Record<string, unknown>): Quota {
  return quotaOf(parseRequest(quotaChange, body));
}

function quotaOf({ quota, unlimitedQuota }: z.output<typeof quotaChange>): Quota {
  return unlimitedQuota === true ? 'unlimited' : BigInt(quota ?? 0);
}

function expiry(expireTime: string | null | undefined): number {
  return typeof expireTime === 'string' ? Date.parse(expireTime) : Number.POSITIVE_INFINITY;
}
