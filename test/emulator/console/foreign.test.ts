import { createEmulator } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import type { Page } from 'playwright-core';
import { expect, it, onTestFinished } from 'vitest';
import { describeInChromium, eventually, type OpenPage } from '../../support/browser.ts';
import { serveHttp } from '../../support/sockets.ts';
import { createKey } from '../wire.ts';
import { keyRow, visit } from './visit.ts';

/** An emulator with a key, and somebody else's page in a browser on the same machine. */
async function visitElsewhere(openPage: OpenPage) {
  const drun = createEmulator();
  const { key } = await createKey(drun);
  const before = [...drun.requests].length;
  const server = await serve(drun);
  onTestFinished(() => server.close());
  const elsewhere = await serveHttp((_, response) => {
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>Elsewhere</title>');
  });
  const page = await openPage();
  await page.goto(elsewhere.url);
  return { drun, key, server, page, noted: () => [...drun.requests].slice(before) };
}

interface Init {
  readonly method?: string;
  readonly mode?: 'no-cors';
  readonly body?: string;
}

/** What a page gets of an address by `fetch`: a text, or that there was nothing to be had. */
function fetchFrom(page: Page, url: string, init: Init = {}): Promise<string> {
  return page.evaluate(
    ([address, options]) =>
      fetch(address, options).then(
        (response) => response.text(),
        () => 'nothing',
      ),
    [url, init] as const,
  );
}

describeInChromium("somebody else's page", (openPage) => {
  it('reads nothing of the emulator, and changes nothing', async () => {
    const { drun, server, page, noted } = await visitElsewhere(openPage);
    const body = JSON.stringify({ name: 'made elsewhere' });
    for (const init of [
      {},
      { method: 'POST', body },
      { method: 'DELETE', body },
      { mode: 'no-cors', method: 'POST', body },
    ] as const) {
      for (const path of ['/console/apikeys', '/console/requests', '/apis/hydra.io/v1alpha1/apikeys']) {
        // An answer without permission to read it is an empty one to the page.
        expect(['nothing', '']).toContain(await fetchFrom(page, server.url + path, init));
      }
    }
    expect([...drun.keys]).toHaveLength(1);
    expect(noted()).toEqual([]);
    await openPage.toComplainOf('CORS policy');
  });

  it('is refused also where its name is made to lead here', async () => {
    const { drun, key, server, page } = await visitElsewhere(openPage);
    const rebound = `http://rebound.example:${server.port}`;
    const response = await page.goto(rebound);
    expect(response?.status()).toBe(403);
    for (const path of ['/', '/console/requests', '/console/apikeys']) {
      const text = await fetchFrom(page, rebound + path);
      expect(text).toContain('does not answer to this host');
      expect(text).not.toContain(drun.accessToken.reveal());
      expect(text).not.toContain(key.slice(-4));
    }
    await fetchFrom(page, `${rebound}/console/apikeys`, {
      method: 'POST',
      body: '{"name":"made elsewhere"}',
    });
    expect([...drun.keys]).toHaveLength(1);
  });

  it('cannot put the page into a frame', async () => {
    const { server, page } = await visitElsewhere(openPage);
    const asked = page.waitForResponse(`${server.url}/`);
    await page.evaluate((url) => {
      const frame = document.createElement('iframe');
      frame.src = url;
      document.body.append(frame);
    }, server.url);
    await asked;
    await eventually(() => expect(page.frames()).toHaveLength(2));
    const frame = page.frames().at(-1);
    expect(await frame?.locator('#create').count()).toBe(0);
    await openPage.toComplainOf('frame-ancestors');
  });
});

describeInChromium('a script that got into the page', (openPage) => {
  it('does not run where it is inline, in the markup or made by another one', async () => {
    const { page } = await visit(openPage, { keys: ['checkout'] });
    await page.route('**/', async (route) => {
      const response = await route.fetch();
      const injected =
        '<script>globalThis.wasRun = true</script><img src="x" onerror="globalThis.wasRun = true">';
      await route.fulfill({
        response,
        body: (await response.text()).replace('</main>', `${injected}</main>`),
      });
    });
    await page.reload();
    await keyRow(page, 'checkout').waitFor();
    await page.evaluate(() => {
      const script = document.createElement('script');
      script.append('globalThis.wasRun = true');
      document.body.append(script);
    });
    expect(await page.evaluate(() => 'wasRun' in globalThis)).toBe(false);
    await openPage.toComplainOf('script');
  });

  it('cannot turn a text into markup', async () => {
    const { page } = await visit(openPage);
    const thrown = await page.evaluate(() => {
      try {
        document.body.innerHTML = '<p>markup';
        return 'nothing';
      } catch (error) {
        return String(error);
      }
    });
    expect(thrown).toContain('TrustedHTML');
    await openPage.toComplainOf('TrustedHTML');
  });

  it('cannot send what it finds elsewhere', async () => {
    const { page } = await visit(openPage);
    const elsewhere = await serveHttp((_, response) => void response.end());
    expect(await fetchFrom(page, elsewhere.url)).toBe('nothing');
    expect(elsewhere.count).toBe(0);
    await openPage.toComplainOf('connect-src');
  });
});

describeInChromium('the page itself', (openPage) => {
  it('loads its own files, with success, and nothing else', async () => {
    const asked: string[] = [];
    const page = await openPage();
    await page.route('**', async (route) => {
      const response = await route.fetch();
      asked.push(`${response.status()} ${new URL(response.url()).pathname}`);
      await route.fulfill({ response });
    });
    const { server } = await visit(openPage);
    await page.getByRole('status').getByText('Running').waitFor();
    const own = [
      '200 /',
      '200 /console/style.css',
      '200 /console/script.js',
      '200 /console/icon.svg',
      '200 /console/service',
      '200 /console/models',
      '200 /console/masked-apikeys',
      '200 /console/requests',
    ];
    await eventually(() => expect(new Set(asked)).toEqual(new Set(own)));
    expect(page.url()).toBe(`${server.url}/`);
  });
});
