import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { createKey } from '../wire.ts';

const ORIGIN = 'http://localhost:8080';

const FILES = [
  ['/', 'text/html; charset=utf-8'],
  ['/console/script.js', 'text/javascript; charset=utf-8'],
  ['/console/style.css', 'text/css; charset=utf-8'],
  ['/console/icon.svg', 'image/svg+xml'],
] as const;

function get(drun: Emulator, path: string): Promise<Response> {
  return drun.fetch(`${ORIGIN}${path}`);
}

describe('the files of the page', () => {
  it.each(FILES)('are served without a credential: %s', async (path, type) => {
    const response = await get(createEmulator(), path);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(type);
    expect(await response.text()).not.toBe('');
  });

  it.each(FILES)('allow a browser nothing but their own: %s', async (path) => {
    const { headers } = await get(createEmulator(), path);
    const policy = new Map(
      headers
        .get('content-security-policy')
        ?.split('; ')
        .map((directive) => [directive.split(' ')[0], directive.slice(directive.indexOf(' ') + 1)]),
    );
    expect(policy.get('default-src')).toBe("'none'");
    expect(policy.get('script-src')).toBe("'self'");
    expect(policy.get('style-src')).toBe("'self'");
    expect(policy.get('frame-ancestors')).toBe("'none'");
    expect(headers.get('content-security-policy')).not.toMatch(/unsafe|https?:|\*/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it.each(FILES)('hold neither the access token nor a key: %s', async (path) => {
    const drun = createEmulator();
    const { key, name } = await createKey(drun, { name: 'name-of-a-key' });
    const text = await (await get(drun, path)).text();
    for (const secret of [drun.accessToken.reveal(), key, key.slice(3, 20), name]) {
      expect(text).not.toContain(secret);
    }
  });

  it('name no file but those that there are, and none of another origin', async () => {
    const html = await (await get(createEmulator(), '/')).text();
    const named = Array.from(html.matchAll(/\b(?:src|href)="([^"]*)"/g), ([, address = '']) => `/${address}`);
    expect(new Set(named)).toEqual(new Set(FILES.map(([path]) => path).filter((path) => path !== '/')));
  });

  it('have nothing inline: no script, no style, no handler', async () => {
    const html = await (await get(createEmulator(), '/')).text();
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:/i);
  });

  it('answer other methods with those that there are', async () => {
    const response = await createEmulator().fetch(`${ORIGIN}/`, { method: 'POST' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
  });

  it('are not noted as requests to the service', async () => {
    const drun = createEmulator();
    for (const [path] of FILES) await get(drun, path);
    await get(drun, '/console/requests');
    expect([...drun.requests]).toEqual([]);
  });
});
