import type { Secret } from '../../secret/secret.ts';
import type { RandomText } from '../random.ts';
import { KeyRegistry } from './key-registry.ts';
import { UsageLog } from './usage-log.ts';
import { Users } from './users.ts';

interface AccountSettings {
  readonly accessToken: string | undefined;
  readonly maxKeys: number;
  readonly now: () => number;
}

/** The emulated account: its users, its API keys, and what they used. */
export class Account {
  readonly users: Users;
  readonly keys: KeyRegistry;
  readonly usage: UsageLog;

  constructor(settings: AccountSettings, randomText: RandomText) {
    this.users = new Users(settings.accessToken, randomText);
    this.keys = new KeyRegistry(settings, randomText);
    this.usage = new UsageLog(settings.now);
  }

  /** Every credential that the account currently accepts for the control plane. */
  accessTokens(): readonly Secret[] {
    return this.users.tokens();
  }

  clear(): void {
    this.keys.clear();
    this.usage.clear();
  }
}
