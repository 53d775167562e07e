import type { KeyVault } from './keys/key-vault.ts';
import type { Users } from './keys/users.ts';
import type { Settings } from './options.ts';
import type { RandomText } from './random.ts';
import type { UsageLedger } from './usage-ledger.ts';

/** What the two planes share. */
export interface Service {
  readonly settings: Settings;
  readonly users: Users;
  readonly vault: KeyVault;
  readonly ledger: UsageLedger;
  readonly drawText: RandomText;
}
