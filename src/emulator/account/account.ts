import { Secret } from '../../secret/secret.ts';
import { ALPHANUMERIC, HEXADECIMAL, type RandomText } from '../random.ts';
import { KeyRegistry, type User } from './key-registry.ts';
import { UsageLog } from './usage-log.ts';

const OWNER: User = { id: 'u-8105f7322477', name: 'owner' };

/** The users of the control plane. All of them see the same account and the same workspaces. */
export class Users {
  /** The token of the user that always exists. */
  readonly ownerToken: Secret;
  readonly owner: User = OWNER;
  readonly #randomText: RandomText;
  readonly #users = new Map<string, { readonly user: User; readonly token: Secret }>();

  constructor(accessToken: string | undefined, randomText: RandomText) {
    this.#randomText = randomText;
    this.ownerToken = new Secret(accessToken ?? randomText(ALPHANUMERIC, 48));
    this.#users.set(OWNER.name, { user: OWNER, token: this.ownerToken });
  }

  withToken(token: string): User | undefined {
    for (const entry of this.#users.values()) if (entry.token.equals(token)) return entry.user;
    return undefined;
  }

  /** The user of a name, created if it does not exist. */
  named(name: string): { readonly user: User; readonly token: Secret } {
    const known = this.#users.get(name);
    if (known !== undefined) return known;
    const id = `u-${this.#randomText(HEXADECIMAL, 12)}`;
    const entry = { user: { id, name }, token: new Secret(this.#randomText(ALPHANUMERIC, 48)) };
    this.#users.set(name, entry);
    return entry;
  }

  tokens(): Secret[] {
    return Array.from(this.#users.values(), ({ token }) => token);
  }
}

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
