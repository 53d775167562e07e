import { expect, it } from 'vitest';
import { describeInChromium, eventually } from '../../support/browser.ts';
import { chat, control, createKey } from '../wire.ts';
import { createOnPage, keyRow, keyRows, openCreateDialog, openDeleteDialog, visit } from './visit.ts';

const WHOLE_KEY = /^sk-[\w-]{45}$/;
const MASKED_KEY = /^sk-\*{6}[\w-]{4}$/;

describeInChromium('the API Key Management page', (openPage) => {
  it('says that there is no key yet', async () => {
    const { page } = await visit(openPage);
    await page.getByText('No API keys yet. Create one to call the models.').waitFor();
    expect(await page.getByRole('status').getByText('0 API keys').count()).toBe(1);
    expect(await keyRows(page).count()).toBe(0);
  });

  it('lists name, masked key and age, newest first', async () => {
    let now = Date.UTC(2026, 10, 20, 9, 30, 15);
    const keys = ['first', 'second', 'third'];
    const { drun, page } = await visit(openPage, { now: () => now, keys });
    now = Date.UTC(2026, 10, 23, 9, 30, 15);
    const { key } = await createKey(drun, { name: 'fourth' });
    await page.getByRole('button', { name: 'Refresh' }).click();
    await keyRow(page, 'fourth').waitFor();
    const rows = await keyRows(page).getByRole('rowheader').allTextContents();
    expect(rows.map((text) => text.trim())).toEqual(['fourth', 'third', 'second', 'first']);
    const newest = keyRow(page, 'fourth').getByRole('cell');
    expect(await newest.nth(0).textContent()).toBe(`sk-******${key.slice(-4)}`);
    // By the emulator's clock, not by the browser's.
    await keyRow(page, 'fourth').getByText('just now').waitFor();
    await keyRow(page, 'first').getByText('3 days ago').waitFor();
    const time = keyRow(page, 'first').locator('time');
    expect(await time.getAttribute('datetime')).toBe('2026-11-20T09:30:15.000Z');
    expect(await time.getAttribute('title')).toMatch(/November 20, 2026/);
  });

  it('creates a key, shows it this once, and keeps nothing of it afterwards', async () => {
    const { drun, page } = await visit(openPage);
    const dialog = await createOnPage(page, 'checkout');
    await dialog.getByText('it will not be shown again').waitFor();
    const key = await dialog.getByLabel('API key of checkout').inputValue();
    expect(key).toMatch(WHOLE_KEY);
    expect((await chat(drun, key)).status).toBe(200);

    await dialog.getByRole('button', { name: 'Done' }).click();
    await keyRow(page, 'checkout').waitFor();
    // A browser tells a dialog a moment later that it is closed.
    await eventually(async () => {
      const left = await page.evaluate(() => [
        document.documentElement.outerHTML,
        ...Array.from(document.querySelectorAll('input'), ({ value }) => value),
      ]);
      expect(left.join()).not.toContain(key.slice(3, 20));
      expect(left.join()).toContain(`sk-******${key.slice(-4)}`);
    });
  });

  it('copies the new key, and says so', async () => {
    const { server, page } = await visit(openPage);
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.url });
    const dialog = await createOnPage(page, 'checkout');
    const key = await dialog.getByLabel('API key of checkout').inputValue();
    await dialog.getByRole('button', { name: 'Copy API key' }).click();
    await dialog.getByRole('status').getByText('Copied').waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(key);
  });

  it('marks the text and says what to press where it may not copy', async () => {
    const { page } = await visit(openPage);
    await page.evaluate(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }));
    const dialog = await createOnPage(page, 'checkout');
    const field = dialog.getByLabel('API key of checkout');
    await dialog.getByRole('button', { name: 'Copy API key' }).click();
    await dialog.getByRole('status').getByText('Press Ctrl+C').waitFor();
    const key = await field.inputValue();
    expect(
      await field.evaluate((input: HTMLInputElement) => [input.selectionStart, input.selectionEnd]),
    ).toEqual([0, key.length]);
  });

  it('creates nothing without a name, and says that one is missing', async () => {
    const { drun, page } = await visit(openPage);
    const dialog = await createOnPage(page, '   ').then(() =>
      page.getByRole('dialog', { name: 'Create API key' }),
    );
    await dialog.getByRole('alert').getByText('Enter a name.').waitFor();
    const name = dialog.getByLabel('Name');
    expect(await name.getAttribute('aria-invalid')).toBe('true');
    expect(await name.evaluate((input) => input === document.activeElement)).toBe(true);
    expect([...drun.keys]).toEqual([]);
  });

  it('creates nothing where the dialog is left', async () => {
    const { drun, page } = await visit(openPage);
    const dialog = await openCreateDialog(page);
    await dialog.getByLabel('Name').fill('checkout');
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await dialog.waitFor({ state: 'hidden' });
    const again = await openCreateDialog(page);
    expect(await again.getByLabel('Name').inputValue()).toBe('');
    expect([...drun.keys]).toEqual([]);
  });

  it("gives the service's reason in the dialog when the limit is reached", async () => {
    const { drun, page } = await visit(openPage, { maxKeys: 1, keys: ['only'] });
    const dialog = await openCreateDialog(page);
    await dialog.getByRole('alert').getByText('The limit of 1 API keys is reached').waitFor();
    await dialog.getByLabel('Name').fill('one too many');
    await dialog.getByRole('button', { name: 'Create' }).click();
    await eventually(() => {
      const created = [...drun.requests].filter(
        ({ method, path }) => method === 'POST' && path.endsWith('/apikeys'),
      );
      expect(created.map(({ status }) => status)).toEqual([200, 400]);
    });
    await dialog.getByRole('alert').getByText('The limit of 1 API keys is reached').waitFor();
    expect([...drun.keys]).toHaveLength(1);
  });

  it('shows what other clients did once it is refreshed', async () => {
    const { drun, page } = await visit(openPage, { keys: ['old'] });
    await keyRow(page, 'old').waitFor();
    const [old] = drun.keys;
    await control(drun, 'DELETE', `/apikeys/${old?.id}`, {});
    await createKey(drun, { name: 'new' });
    await page.getByRole('button', { name: 'Refresh' }).click();
    await keyRow(page, 'new').waitFor();
    expect(await keyRows(page).count()).toBe(1);
    await page.getByRole('status').getByText('Refreshed').waitFor();
  });

  it('says which keys do not work any more', async () => {
    let now = Date.UTC(2026, 0, 1);
    const { drun, page } = await visit(openPage, { now: () => now });
    await createKey(drun, { name: 'checkout', expireTime: '2026-01-02T00:00:00Z' });
    await createKey(drun, { name: 'search' });
    now = Date.UTC(2026, 0, 3);
    await page.getByRole('button', { name: 'Refresh' }).click();
    await keyRow(page, 'search').waitFor();
    expect(await keyRows(page).filter({ hasText: 'expired' }).getByText('checkout').count()).toBe(1);
    expect(await keyRow(page, 'search').getByText('expired').isVisible()).toBe(false);
  });

  it('searches while one types, and says what was not found', async () => {
    const { page } = await visit(openPage, { keys: ['checkout', 'search-ranking', 'Checkout test'] });
    await keyRow(page, 'search-ranking').waitFor();
    const search = page.getByRole('searchbox', { name: 'Search API keys' });
    await search.fill('check');
    await page.getByRole('status').getByText('2 API keys').waitFor();
    expect(await keyRows(page).count()).toBe(2);
    await search.fill('<b>nothing</b>');
    await page.getByText('No API key fits “<b>nothing</b>”.').waitFor();
    await search.fill('');
    await page.getByRole('status').getByText('3 API keys').waitFor();
  });

  it('shows a new key also where the search would hide it', async () => {
    const { page } = await visit(openPage, { keys: ['checkout'] });
    await page.getByRole('searchbox').fill('check');
    const dialog = await createOnPage(page, 'other');
    await dialog.getByRole('button', { name: 'Done' }).click();
    await keyRow(page, 'other').waitFor();
    expect(await page.getByRole('searchbox').inputValue()).toBe('');
  });

  it('shows twenty keys, and more of them when asked', async () => {
    const names = Array.from({ length: 45 }, (_, index) => `key ${index + 1}`);
    const { page } = await visit(openPage, { maxKeys: 50, keys: names });
    await page.getByRole('status').getByText('20 of 45 API keys').waitFor();
    const more = page.getByRole('button', { name: 'Load more' });
    await more.click();
    await page.getByRole('status').getByText('40 of 45 API keys').waitFor();
    const focused = keyRow(page, 'key 25').getByRole('button');
    await eventually(async () =>
      expect(await focused.evaluate((button) => button === document.activeElement)).toBe(true),
    );
    await more.click();
    await page.getByRole('status').getByText('45 API keys', { exact: true }).waitFor();
    expect(await keyRows(page).count()).toBe(45);
    expect(await more.isVisible()).toBe(false);
  });

  it('deletes a key once that is confirmed, after saying what it means', async () => {
    const { drun, page } = await visit(openPage);
    const { key } = await createKey(drun, { name: 'checkout' });
    await page.getByRole('button', { name: 'Refresh' }).click();
    const dialog = await openDeleteDialog(page, 'checkout');
    expect(await dialog.getByText('will be refused at once').textContent()).toContain(
      `checkout (sk-******${key.slice(-4)})`,
    );
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await keyRow(page, 'checkout').waitFor({ state: 'detached' });
    expect([...drun.keys]).toEqual([]);
    expect((await chat(drun, key)).status).toBe(401);
  });

  it('deletes nothing where that is not confirmed', async () => {
    const { drun, page } = await visit(openPage, { keys: ['checkout'] });
    const dialog = await openDeleteDialog(page, 'checkout');
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await dialog.waitFor({ state: 'hidden' });
    expect(await keyRow(page, 'checkout').isVisible()).toBe(true);
    expect([...drun.keys]).toHaveLength(1);
    expect([...drun.requests].map(({ method }) => method)).not.toContain('DELETE');
  });

  it('takes a key off that somebody else has deleted before', async () => {
    const { drun, page } = await visit(openPage, { keys: ['checkout'] });
    const dialog = await openDeleteDialog(page, 'checkout');
    drun.reset();
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await page.getByText('No API keys yet').waitFor();
  });

  it('shows a name as the text that it is', async () => {
    const name = '<script>alert(1)</script><img src=x onerror=alert(2)>&amp;';
    const { page } = await visit(openPage, { keys: [name] });
    await keyRow(page, name).waitFor();
    const dialog = await openDeleteDialog(page, name);
    expect(await dialog.textContent()).toContain(name);
    expect(await page.locator('main script, main img, dialog img').count()).toBe(0);
  });

  it('masks the keys of a server that lists them whole, before the browser gets them', async () => {
    const { drun, page } = await visit(openPage, { version: '0.15' });
    const { key } = await createKey(drun, { name: 'checkout' });
    const listed = page.waitForResponse('**/apikeys?*');
    await page.getByRole('button', { name: 'Refresh' }).click();
    expect(await (await listed).text()).not.toContain(key.slice(3, 20));
    await keyRow(page, 'checkout').waitFor();
    expect(await keyRow(page, 'checkout').getByRole('cell').first().textContent()).toMatch(MASKED_KEY);
    expect(Array.from(drun.requests, ({ path }) => path)).not.toContain(
      '/apis/hydra.io/v1alpha1/masked-apikeys',
    );
    await page.getByText('version 0.15').waitFor();
  });
});
