import { Secret } from '../../secret/secret.ts';
import { ALPHANUMERIC, HEXADECIMAL, type RandomText } from '../random.ts';

/** Somebody with an access token. */
export interface User {
  /** Such as `u-8105f7322477`. */
  readonly id: string;
  readonly name: string;
}

const OWNER: User = { id: 'u-8105f7322477', name: 'owner' };

/** Who may use the control plane. All of them see the same account and the same workspaces. */
export class Users {
  /** The token of the one user who is always there. */
  readonly ownerToken: Secret;
  readonly owner: User = OWNER;
  readonly #drawText: RandomText;
  readonly #tokens = new Map<string, { readonly user: User; readonly token: Secret }>();

  constructor(accessToken: string | undefined, drawText: RandomText) {
    this.#drawText = drawText;
    this.ownerToken = new Secret(accessToken ?? drawToken(drawText));
    this.#tokens.set(OWNER.name, { user: OWNER, token: this.ownerToken });
  }

  /** Whose token this is. */
  withToken(token: string): User | undefined {
    for (const entry of this.#tokens.values()) if (entry.token.equals(token)) return entry.user;
    return undefined;
  }

  /** The user of a name, made where there is none. */
  named(name: string): { readonly user: User; readonly token: Secret } {
    const known = this.#tokens.get(name);
    if (known !== undefined) return known;
    const id = `u-${this.#drawText(HEXADECIMAL, 12)}`;
    const entry = { user: { id, name }, token: new Secret(drawToken(this.#drawText)) };
    this.#tokens.set(name, entry);
    return entry;
  }

  tokens(): Secret[] {
    return Array.from(this.#tokens.values(), ({ token }) => token);
  }
}

function drawToken(drawText: RandomText): string {
  return drawText(ALPHANUMERIC, 48);
}
