import { Secret } from '../../secret/secret.ts';
import { ALPHANUMERIC, HEXADECIMAL, type RandomText } from '../random.ts';
import { KeyRegistry, type User } from './key-registry.ts';
import { UsageLog } from './usage-log.ts';

interface AccountSettings {
  readonly accessToken: string | undefined;
  readonly maxKeys: number;
  readonly now: () => number;
}

/** The emulated account: its users, its API keys, and what they used. */
export class Account {
  /** The user that always exists. */
  readonly owner: User;
  readonly keys: KeyRegistry;
  readonly usage: UsageLog;
  readonly #randomText: RandomText;
  readonly #users = new Map<string, User>();

  constructor(settings: AccountSettings, randomText: RandomText) {
    const { accessToken = randomText(ALPHANUMERIC, 48) } = settings;
    this.owner = { id: 'u-8105f7322477', name: 'owner', token: new Secret(accessToken) };
    this.keys = new KeyRegistry(settings, randomText);
    this.usage = new UsageLog(settings.now);
    this.#randomText = randomText;
    this.#users.set(this.owner.name, this.owner);
  }

  userWithToken(token: string): User | undefined {
    return [...this.#users.values()].find((user) => user.token.equals(token));
  }

  /** The user of a name, created if it does not exist. */
  userNamed(name: string): User {
    const known = this.#users.get(name);
    if (known !== undefined) return known;
    const id = `u-${this.#randomText(HEXADECIMAL, 12)}`;
    const user = { id, name, token: new Secret(this.#randomText(ALPHANUMERIC, 48)) };
    this.#users.set(name, user);
    return user;
  }

  accessTokens(): Secret[] {
    return Array.from(this.#users.values(), ({ token }) => token);
  }

  clear(): void {
    this.keys.clear();
    this.usage.clear();
  }
}
