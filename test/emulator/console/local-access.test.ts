import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { createEmulator } from 'drun-sdk/emulator';
import { type EmulatorServer, serve } from 'drun-sdk/emulator/node';
import { describe, expect, it } from 'vitest';
import { isLoopbackAddress, signIn } from '../../../src/emulator/console/local-access.ts';
import { Secret } from '../../../src/secret/secret.ts';
import { CONTROL, createKey } from '../wire.ts';

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
}

/** Sends a request with exactly these headers, `Host` included, which fetch would not; gives status and body. */
async function send(
  { port }: EmulatorServer,
  { method, path = '/', headers = {} }: Sent,
): Promise<[number, string]> {
  const request = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent: false });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const text = (await response.setEncoding('utf8').toArray()).join('');
  return [response.statusCode ?? 0, text];
}

/** The one call that tells whether somebody was signed in. */
const REQUESTS = '/console/requests';

describe('a server on this machine', () => {
  it.each([
    'evil.example',
    '10.0.0.1',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'notlocalhost',
    '0.0.0.0',
  ])('answers nothing to the host %s, by which another page may have been led here', async (host) => {
    const drun = createEmulator();
    const { key } = await createKey(drun);
    await using server = await serve(drun);
    for (const [path, token] of [
      ['/', undefined],
      [REQUESTS, undefined],
      ['/v1/models', key],
      [`${CONTROL}/apikeys`, drun.accessToken.reveal()],
    ] as const) {
      const headers = { host: `${host}:${server.port}`, ...(token && { authorization: `Bearer ${token}` }) };
      const [status, text] = await send(server, { path, headers });
      expect(status).toBe(403);
      expect(text).toContain('allowedHosts');
      expect(text).not.toContain(host);
    }
  });

  it.each(['localhost', 'LOCALHOST', 'drun.localhost', '127.0.0.1', '127.1.2.3', '[::1]'])(
    'answers to its own name %s',
    async (host) => {
      await using server = await serve(createEmulator());
      const [status] = await send(server, { path: REQUESTS, headers: { host: `${host}:${server.port}` } });
      expect(status).toBe(200);
    },
  );

  it('answers to the names that it was told, in any case', async () => {
    await using server = await serve(createEmulator(), { allowedHosts: ['Host.docker.internal'] });
    const headers = { host: `host.docker.internal:${server.port}` };
    expect((await send(server, { path: '/v1/models', headers }))[0]).toBe(401);
    expect((await send(server, { path: REQUESTS, headers }))[0]).toBe(200);
    expect((await send(server, { headers: { host: 'docker.internal' } }))[0]).toBe(403);
  });

  it.each([[['']], ['localhost'], [[7]]])(
    'refuses the `allowedHosts` %j with an error that names them',
    async (names) => {
      await expect(serve(createEmulator(), { allowedHosts: names as string[] })).rejects.toThrow(
        'serve: `allowedHosts`',
      );
    },
  );

  it.each([
    ['GET', REQUESTS],
    ['POST', '/console/apikeys'],
    ['POST', '/v1/chat/completions'],
    ['DELETE', `${CONTROL}/apikeys/some-id`],
  ])('answers nothing to pages of other origins: %s %s', async (method, path) => {
    const drun = createEmulator();
    await using server = await serve(drun);
    const origins = [
      'https://evil.example',
      'http://localhost:1',
      'http://127.0.0.1:1',
      `http://127.0.0.1.evil.example:${server.port}`,
      // Another name of this machine is another origin, too.
      `http://localhost:${server.port}`,
      'null',
      '',
    ];
    for (const origin of origins) {
      const headers = {
        origin,
        host: `127.0.0.1:${server.port}`,
        authorization: `Bearer ${drun.accessToken.reveal()}`,
      };
      const [status, text] = await send(server, { method, path, headers });
      expect(status).toBe(403);
      expect(text).not.toContain('evil');
    }
    expect([...drun.requests]).toEqual([]);
  });

  it('answers to its own page', async () => {
    await using server = await serve(createEmulator());
    const headers = { origin: server.url, 'sec-fetch-site': 'same-origin' };
    expect((await send(server, { path: REQUESTS, headers }))[0]).toBe(200);
  });

  it.each(['cross-site', 'same-site', 'none'])(
    'signs nobody in who comes from elsewhere: %s',
    async (site) => {
      await using server = await serve(createEmulator());
      const headers = { 'sec-fetch-site': site };
      expect((await send(server, { path: REQUESTS, headers }))[0]).toBe(401);
      // A link to the page itself is one that may be followed.
      expect((await send(server, { headers }))[0]).toBe(200);
    },
  );

  it.each(['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'])(
    'signs nobody in whom a proxy let through: %s',
    async (header) => {
      await using server = await serve(createEmulator());
      expect((await send(server, { path: REQUESTS, headers: { [header]: 'for=192.0.2.1' } }))[0]).toBe(401);
    },
  );

  it('does not sign in who has a token of its own that is wrong', async () => {
    await using server = await serve(createEmulator());
    const headers = { authorization: 'Bearer wrong' };
    expect((await send(server, { path: REQUESTS, headers }))[0]).toBe(401);
  });

  it('signs in to the page only: the planes want their credentials as ever', async () => {
    await using server = await serve(createEmulator());
    for (const path of [`${CONTROL}/apikeys`, '/v1/models', '/consoles', '/x/console/requests']) {
      expect((await send(server, { path }))[0]).toBeGreaterThanOrEqual(401);
    }
  });

  it('never sends the access token', async () => {
    const drun = createEmulator();
    await createKey(drun);
    await using server = await serve(drun);
    for (const path of ['/', '/console/script.js', '/console/service', REQUESTS, '/console/apikeys']) {
      const [status, text] = await send(server, { path });
      expect(status).toBe(200);
      expect(text).not.toContain(drun.accessToken.reveal());
    }
  });

  it('signs nobody in where it is given a fetch without a token', async () => {
    const { fetch } = createEmulator();
    await using server = await serve({ fetch });
    expect((await send(server, { path: REQUESTS }))[0]).toBe(401);
    expect((await send(server, {}))[0]).toBe(200);
  });
});

describe('a server that other machines reach', () => {
  it('answers to every host, for the names that they use are not known, and gives it nothing without a credential', async () => {
    const drun = createEmulator();
    const { key } = await createKey(drun);
    await using server = await serve(drun, { host: '0.0.0.0' });
    const host = `emulator:${server.port}`;
    expect(
      (await send(server, { path: '/v1/models', headers: { host, authorization: `Bearer ${key}` } }))[0],
    ).toBe(200);
    expect((await send(server, { headers: { host } }))[0]).toBe(200);
    expect((await send(server, { path: REQUESTS, headers: { host } }))[0]).toBe(401);
    const authorization = `Bearer ${drun.accessToken.reveal()}`;
    expect((await send(server, { path: REQUESTS, headers: { host, authorization } }))[0]).toBe(200);
  });

  it('answers nothing to pages of other origins either', async () => {
    await using server = await serve(createEmulator(), { host: '0.0.0.0' });
    const headers = { host: `evil.example:${server.port}`, origin: 'http://evil.example' };
    expect((await send(server, { path: '/v1/models', headers }))[0]).toBe(403);
  });

  it('signs in who comes from this very machine, by a name of its own', async () => {
    await using server = await serve(createEmulator(), { host: '0.0.0.0' });
    const headers = { host: `localhost:${server.port}` };
    expect((await send(server, { path: REQUESTS, headers }))[0]).toBe(200);
  });
});

describe('the address of a socket', () => {
  it.each(['127.0.0.1', '127.255.0.1', '::1', '::ffff:127.0.0.1'])(
    'is of this machine only: %s',
    (address) => {
      expect(isLoopbackAddress(address)).toBe(true);
    },
  );

  it.each([
    '0.0.0.0',
    '::',
    '192.168.1.127',
    '1.127.0.0',
    '::ffff:10.0.0.1',
    '::1:2',
    'fe80::1',
    '',
    undefined,
  ])('is not, or may not be: %s', (address) => {
    expect(isLoopbackAddress(address)).toBe(false);
  });
});

describe('a request from another machine', () => {
  it('is not signed in, whatever host it claims to be sent to', () => {
    const access = { loopbackOnly: false, hosts: [], accessToken: new Secret('the-access-token') };
    const request = new Request('http://localhost:8080/console/requests');
    expect(signIn(request, '192.0.2.1', access).has('authorization')).toBe(false);
    expect(signIn(request, '127.0.0.1', access).get('authorization')).toBe('Bearer the-access-token');
  });
});
