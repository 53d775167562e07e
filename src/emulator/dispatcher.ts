import type { Call } from './call.ts';
import { ControlPlane } from './control/control-plane.ts';
import { DataPlane } from './data/data-plane.ts';
import { distortedAnswer } from './faults/distort.ts';
import type { FaultPlan } from './faults/fault-plan.ts';
import { type MetFaults, metFaults } from './faults/met-faults.ts';
import { substituteAnswer } from './faults/substitute.ts';
import { bearerToken, errorResponse, methodNotAllowed, notFound, Refusal } from './http.ts';
import { planeOf } from './operation.ts';
import type { LoggedRequest } from './request-log.ts';
import { type Match, Router } from './router.ts';
import type { Service } from './service.ts';

/** Carries requests out, as far as faults let it. */
export class Dispatcher {
  readonly #service: Service;
  readonly #faults: FaultPlan;
  readonly #control: ControlPlane;
  readonly #data: DataPlane;
  readonly #router: Router;

  constructor(service: Service, faults: FaultPlan) {
    this.#service = service;
    this.#faults = faults;
    this.#control = new ControlPlane(service);
    this.#data = new DataPlane(service);
    this.#router = new Router([...this.#control.routes, ...this.#data.routes]);
  }

  /** The names of all models. @throws Refusal where the upstream server, which knows them, does not say. */
  async models(signal: AbortSignal): Promise<readonly string[]> {
    return (await this.#data.allModels(signal)).map(({ id }) => id);
  }

  async answer(request: Request, signal: AbortSignal, entry: LoggedRequest): Promise<Response> {
    const { settings } = this.#service;
    const { pathname } = new URL(request.url);
    const match = this.#router.match(request.method, pathname);
    const operation = match?.route.operation;
    if (operation !== undefined) entry.identified(operation);
    const faults = this.#meet(request, pathname, match);
    if (faults.names.length > 0) entry.faulty(faults.names);

    const plane = planeOf(pathname);
    const { effects, substitute } = faults;
    const call: Call = { request, plane, operation, params: match?.params ?? {}, signal, effects };
    if (faults.delayMs > 0) await settings.sleep(faults.delayMs, signal);
    if (substitute && !faults.isApplied) return substituteAnswer(substitute, call);
    const response = await this.#carryOut(call, pathname, match);
    if (substitute === undefined) return distortedAnswer(response, faults, { sleep: settings.sleep, signal });
    await response.body?.cancel();
    return substituteAnswer(substitute, call);
  }

  async #carryOut(call: Call, pathname: string, match: Match | undefined): Promise<Response> {
    try {
      if (match !== undefined) return await match.route.answer(call);
      if (call.plane !== 'control') return notFound();
      this.#control.admit(call.request);
      const allowed = this.#router.methodsOf(pathname);
      return allowed.length > 0 ? methodNotAllowed(allowed) : notFound();
    } catch (error) {
      if (error instanceof Refusal) return errorResponse(error, call.request);
      // A defect, or an option that misbehaves: whoever wrote it should see it, not a 500.
      throw error;
    }
  }

  /** The faults that meet a request. */
  #meet(request: Request, path: string, match: Match | undefined): MetFaults {
    const plane = planeOf(path);
    if (plane === undefined) return metFaults([]);
    const { vault } = this.#service;
    const keys = [bearerToken(request), match?.params.id].flatMap((word) => {
      const record = word === undefined ? undefined : vault.recall(word);
      return record === undefined ? [] : [record];
    });
    const operation = match?.route.operation;
    return metFaults(this.#faults.meet({ plane, operation, method: request.method, path, keys }));
  }
}
