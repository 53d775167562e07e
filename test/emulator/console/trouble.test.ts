import { createEmulator } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import { expect, it, onTestFinished } from 'vitest';
import { describeInChromium } from '../../support/browser.ts';
import { createKey } from '../wire.ts';
import { comeBack, createOnPage, keyRow, openCreateDialog, openDeleteDialog, visit } from './visit.ts';

describeInChromium('where something goes wrong, the page', (openPage) => {
  it('says that the list could not be loaded, keeps what it has, and tries again when asked', async () => {
    const { page } = await visit(openPage, { keys: ['checkout'] });
    await keyRow(page, 'checkout').waitFor();
    await page.route('**/masked-apikeys?*', (route) => route.fulfill({ status: 503, body: 'busy' }), {
      times: 1,
    });
    await page.getByRole('button', { name: 'Refresh' }).click();
    const alert = page.getByRole('alert').filter({ hasText: 'The list could not be loaded.' });
    await alert.getByText('The emulator answered 503.').waitFor();
    expect(await keyRow(page, 'checkout').isVisible()).toBe(true);
    await alert.getByRole('button', { name: 'Try again' }).click();
    await alert.waitFor({ state: 'hidden' });
  });

  it('shows the list that was asked for last, whichever comes first', async () => {
    const { page } = await visit(openPage, { keys: ['checkout', 'other'] });
    await keyRow(page, 'other').waitFor();
    const slow = Promise.withResolvers<void>();
    await page.route('**/masked-apikeys?*search=check*', async (route) => {
      await slow.promise;
      await route.continue().catch(() => {});
    });
    const asked = page.waitForRequest('**/masked-apikeys?*search=check*');
    await page.getByRole('searchbox').fill('check');
    const request = await asked;
    const over = Promise.race(
      (['requestfailed', 'requestfinished'] as const).map((event) =>
        page.waitForEvent(event as 'requestfinished', (other) => other === request),
      ),
    );
    await page.getByRole('searchbox').fill('other');
    await page.getByRole('status').getByText('1 API key', { exact: true }).waitFor();
    slow.resolve();
    await over;
    // What comes of an answer comes before the next picture.
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    expect(await keyRow(page, 'other').count()).toBe(1);
    expect(await keyRow(page, 'checkout').count()).toBe(0);
  });

  it('says why a key could not be created, and lets one try again', async () => {
    const { drun, page } = await visit(openPage);
    const refusal = { id: 'Forbidden', message: 'Not on a Sunday' };
    const isCreation = (url: URL): boolean => url.pathname.endsWith('/apikeys');
    await page.route(isCreation, (route) => route.fulfill({ status: 403, json: refusal }), { times: 1 });
    await createOnPage(page, 'checkout');
    const dialog = page.getByRole('dialog', { name: 'Create API key' });
    await dialog.getByRole('alert').getByText('The emulator answered 403: Not on a Sunday.').waitFor();
    await dialog.getByRole('button', { name: 'Create' }).click();
    await page.getByRole('dialog', { name: 'API key created' }).waitFor();
    expect([...drun.keys]).toHaveLength(1);
  });

  it('does not claim that no key was created when the answer is lost', async () => {
    const { page } = await visit(openPage);
    await page.route(
      (url) => url.pathname.endsWith('/apikeys'),
      async (route) => {
        await route.fetch();
        await route.abort();
      },
      { times: 1 },
    );
    await createOnPage(page, 'checkout');
    await page.getByText('The key may have been created all the same: look at the list.').waitFor();
    await keyRow(page, 'checkout').waitFor();
  });

  it('creates one key however often one asks while it is being made', async () => {
    const { drun, page } = await visit(openPage);
    const dialog = await openCreateDialog(page);
    await dialog.getByLabel('Name').fill('checkout');
    await dialog.locator('form').evaluate((form: HTMLFormElement) => {
      form.requestSubmit();
      form.requestSubmit();
    });
    await page.getByRole('dialog', { name: 'API key created' }).waitFor();
    expect([...drun.keys]).toHaveLength(1);
  });

  it('shows a key that comes after its dialog was left', async () => {
    const { page } = await visit(openPage);
    const goOn = Promise.withResolvers<void>();
    await page.route(
      (url) => url.pathname.endsWith('/apikeys'),
      async (route) => {
        await goOn.promise;
        await route.continue();
      },
    );
    await createOnPage(page, 'checkout');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    goOn.resolve();
    await page.getByRole('dialog', { name: 'API key created' }).waitFor();
  });

  it('says why a key could not be deleted', async () => {
    const { drun, page } = await visit(openPage, { keys: ['checkout'] });
    await page.route('**/console/apikeys/*', (route) => route.fulfill({ status: 500, body: '' }), {
      times: 1,
    });
    const dialog = await openDeleteDialog(page, 'checkout');
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await dialog.getByRole('alert').getByText('The emulator answered 500.').waitFor();
    expect([...drun.keys]).toHaveLength(1);
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await page.getByText('No API keys yet').waitFor();
  });

  it('says that the emulator is gone, and shows another one that comes in its place', async () => {
    const { server, page } = await visit(openPage, { keys: ['before'] });
    await page.getByRole('status').getByText('Running').waitFor();
    await server.close();
    await comeBack(page);
    await page.getByRole('status').getByText('Not reachable').waitFor();
    const another = createEmulator({ version: '0.16' });
    await createKey(another, { name: 'after' });
    const anotherServer = await serve(another, { port: server.port });
    onTestFinished(() => anotherServer.close());
    await comeBack(page);
    await keyRow(page, 'after').waitFor();
    expect(await keyRow(page, 'before').count()).toBe(0);
    await page.getByText('version 0.16').waitFor();
    await page.getByRole('status').getByText('Running').waitFor();
  });
});
