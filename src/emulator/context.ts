import type { Account } from './account/account.ts';
import type { Fault } from './faults/fault.ts';
import type { LoggedRequest } from './log.ts';
import type { EmulatedOperation } from './operation.ts';
import type { Settings } from './options.ts';
import type { RandomText } from './random.ts';

/** State that the planes share. */
export interface Context {
  readonly settings: Settings;
  readonly account: Account;
  readonly randomText: RandomText;
}

/** One request and everything known about it before it is handled. */
export interface Exchange {
  readonly request: Request;
  readonly params: Readonly<Record<string, string>>;
  /** Aborted when the client leaves and when the emulator is closed. */
  readonly signal: AbortSignal;
  /** The fields of all faults that apply. */
  readonly fault: Fault;
  readonly log: LoggedRequest;
}

/** One method of one path. */
export interface Route {
  /** `ALL` for every method. */
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'ALL';
  /** A segment that begins with a colon is a parameter. */
  readonly path: string;
  readonly operation?: EmulatedOperation | undefined;
  readonly handle: (exchange: Exchange) => Response | Promise<Response>;
}
