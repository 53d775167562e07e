import { TrieRouter } from 'hono/router/trie-router';
import type { Call } from './call.ts';
import type { EmulatedOperation } from './operation.ts';

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'] as const;

/** One method of one path. */
export interface Route {
  readonly method: (typeof METHODS)[number];
  /** A segment that begins with a colon is a parameter. */
  readonly path: string;
  /** Absent for what belongs to neither plane. */
  readonly operation?: EmulatedOperation | undefined;
  readonly answer: (call: Call) => Response | Promise<Response>;
}

export interface Match {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/** Which route a request takes. Of two that fit, the one that was given first. */
export class Router {
  readonly #router = new TrieRouter<Route>();

  constructor(routes: readonly Route[]) {
    for (const route of routes) this.#router.add(route.method, route.path, route);
  }

  /** @param path - As a URL has it, percent-encoded: an encoded slash does not end a segment. */
  match(method: string, path: string): Match | undefined {
    const [[first]] = this.#router.match(method, path);
    if (first === undefined) return undefined;
    const [route, params] = first as [Route, Record<string, string>];
    const decoded = Object.entries(params).map(([name, value]) => [name, decode(value)]);
    return { route, params: Object.fromEntries(decoded) };
  }

  /** The methods that there are for a path. */
  methodsOf(path: string): readonly string[] {
    return METHODS.filter((method) => this.match(method, path) !== undefined);
  }
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
