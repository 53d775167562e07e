import type { Secret } from '../../secret/secret.ts';
import { CONSOLE_PATH } from './paths.ts';

/** How a server can be reached, and what it may give away. */
export interface LocalAccess {
  /** Whether the server listens where no other machine can connect. */
  readonly loopbackOnly: boolean;
  /** The names of this machine that clients may use besides those of loopback, in lower case. */
  readonly hosts: readonly string[];
  /** Without one, the page asks for it. */
  readonly accessToken: Secret | undefined;
}

/** Names and addresses of this machine that no name server can point elsewhere, as the URL parser writes them. */
const LOOPBACK_HOST = /^(?:localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** What a proxy adds to a request from another machine, which then comes from this one. */
const FORWARDED = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'];

/** Whether the address of a socket is one that only this machine has. */
export function isLoopbackAddress(address: string | undefined): boolean {
  return address !== undefined && /^(?:::ffff:)?127\.|^::1$/.test(address);
}

/**
 * The answer to a browser that somebody else's page led here; undefined for everybody else.
 *
 * A page elsewhere can have its own name resolve to 127.0.0.1 (DNS rebinding): its requests have that name for
 * their host, and are of its own origin for the browser. Or it sends requests across origins: those name the origin
 * that they come from. Where other machines connect, the names that they use for this one are not known; but then
 * nothing is given without a credential, which such a page does not have.
 */
export function refuseForeign(request: Request, access: LocalAccess): Response | undefined {
  const { host, hostname } = new URL(request.url);
  if (access.loopbackOnly && !isKnownHost(hostname, access)) {
    return forbidden('The emulator does not answer to this host; `allowedHosts` of `serve` can add it.');
  }
  const origin = request.headers.get('origin');
  if (origin !== null && !(URL.canParse(origin) && new URL(origin).host === host)) {
    return forbidden('The emulator does not answer to pages of other origins.');
  }
  return undefined;
}

/**
 * The headers of a request, with the access token added where the page itself asks from this very machine. Not where
 * another page does, whose images and scripts come without an `Origin`, nor where a proxy stands in between.
 */
export function signIn(request: Request, peerAddress: string | undefined, access: LocalAccess): Headers {
  const { headers } = request;
  const { hostname, pathname } = new URL(request.url);
  const isOwn =
    pathname.startsWith(CONSOLE_PATH) &&
    !headers.has('authorization') &&
    isLoopbackAddress(peerAddress) &&
    isKnownHost(hostname, access) &&
    ['same-origin', null].includes(headers.get('sec-fetch-site')) &&
    !FORWARDED.some((name) => headers.has(name));
  if (!isOwn || access.accessToken === undefined) return headers;
  const signedIn = new Headers(headers);
  signedIn.set('authorization', `Bearer ${access.accessToken.reveal()}`);
  return signedIn;
}

function isKnownHost(hostname: string, { hosts }: LocalAccess): boolean {
  return LOOPBACK_HOST.test(hostname) || hosts.includes(hostname);
}

function forbidden(reason: string): Response {
  return new Response(`${reason}\n`, {
    status: 403,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
  });
}
