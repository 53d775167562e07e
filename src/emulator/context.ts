import type { Context as HonoContext, MiddlewareHandler } from 'hono';
import type { Account, Scope } from './account.ts';
import type { Fault } from './faults/fault.ts';
import type { LoggedRequest } from './log.ts';
import type { EmulatedOperation } from './operation.ts';
import type { Settings } from './options.ts';
import type { RandomText } from './random.ts';

/** State shared by both planes. */
export interface Context {
  readonly settings: Settings;
  readonly account: Account;
  readonly randomText: RandomText;
}

/** The state of a request. */
export interface Env {
  Bindings: {
    /** Aborted when the client disconnects or the emulator is closed. */
    readonly signal: AbortSignal;
    readonly log: LoggedRequest;
  };
  Variables: {
    /** All faults that apply to the request, combined into one fault. */
    fault: Fault;
    /** The account or workspace whose keys the request manages. Set only on the control plane. */
    scope: Scope;
  };
}

export type Exchange = HonoContext<Env>;
export type Middleware = MiddlewareHandler<Env>;

/** Creates the middleware that runs before every handler, logs the operation and applies faults. */
export type Operate = (operation?: EmulatedOperation) => Middleware;
