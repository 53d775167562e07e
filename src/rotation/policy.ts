/** How a ring behaves, checked and complete. Milliseconds. */
export interface Policy {
  /** How long a key is the current one. */
  readonly maxAgeMs: number;
  /** How long a key that was replaced goes on working. */
  readonly gracePeriodMs: number;
  /** Whether a further key is kept ready. */
  readonly standby: boolean;
  /** Whether the current key is deleted before the next one is made. */
  readonly deleteBeforeCreate: boolean;
  /** How long the maker of a key may be silent before others take it over. */
  readonly leaseMs: number;
  /** How long a create may take to show after its answer was lost. */
  readonly createTimeoutMs: number;
  /** How long the service may take to accept a new key. */
  readonly activationTimeoutMs: number;
}

/** How many keys a ring has at the most. */
export function budgetOf({ deleteBeforeCreate }: Policy): number {
  return deleteBeforeCreate ? 1 : 2;
}

/** A day more than a key can be needed: what is lost for good dies by itself. */
const EXPIRY_MARGIN_MS = 24 * 60 * 60 * 1000;

/** How long a key has to live from its making: as standby, as the current one, and as the previous one. */
export function lifetimeMs({ maxAgeMs, gracePeriodMs, standby }: Policy): number {
  return (standby ? 2 : 1) * maxAgeMs + gracePeriodMs + EXPIRY_MARGIN_MS;
}

/** How long before its expiry a key is no longer good enough to be made, or left, the current one. */
export function expiryMarginMs({ gracePeriodMs }: Policy): number {
  return gracePeriodMs + EXPIRY_MARGIN_MS / 2;
}
