import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { createEmulator, type EmulatorOptions } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import type { Locator, Page } from 'playwright-core';
import { expect, it, onTestFinished } from 'vitest';
import { describeInChromium, eventually } from '../support/browser.ts';
import { chat } from './wire.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Returns the accessibility violations that axe finds in the light and the dark color scheme. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(`${AXE}; undefined`);
  const found: string[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const results = (await page.evaluate('axe.run()')) as AxeResults;
    found.push(
      ...results.violations.flatMap(({ id, nodes }) =>
        nodes.map(({ html }) => `${colorScheme} ${id}: ${html}`),
      ),
    );
  }
  return found;
}

describeInChromium('the dashboard', (openPage) => {
  async function open(options: EmulatorOptions = {}, hash?: string) {
    const drun = createEmulator({ keys: [{ name: 'older' }, { name: 'checkout' }], ...options });
    const server = await serve(drun, { admin: true });
    onTestFinished(() => server.close());
    const page = await openPage();
    await page.goto(`${server.url}/_emulator/${hash ?? `#token=${drun.accessToken.reveal()}`}`);
    const rows = (): Locator =>
      page.getByRole('table', { name: 'API keys' }).locator('tbody').getByRole('row');
    return { drun, page, rows };
  }
  const names = (rows: () => Locator): Promise<string[]> => rows().getByRole('rowheader').allInnerTexts();

  it('lists masked keys, newest first, and removes the token from the URL', async () => {
    const { drun, page, rows } = await open();
    await eventually(async () => expect(await names(rows)).toEqual(['checkout', 'older']));
    const [older] = [...drun.keys];
    expect(await rows().last().innerText()).toContain(older?.maskedKey);
    await page.getByText('2 API keys').waitFor();
    expect(page.url()).not.toContain(drun.accessToken.reveal());
    await page.reload();
    await eventually(async () => expect(await names(rows)).toEqual(['checkout', 'older']));
    expect(await violations(page)).toEqual([]);
  });

  it('searches and refreshes', async () => {
    const { drun, page, rows } = await open();
    await page.getByLabel('Search API keys').fill('CHECK');
    await eventually(async () => expect(await names(rows)).toEqual(['checkout']));
    await page.getByText('1 of 2 API keys').waitFor();
    drun.keys.create({ name: 'checkout 2' });
    await page.getByRole('button', { name: 'Refresh' }).click();
    await eventually(async () => expect(await names(rows)).toEqual(['checkout 2', 'checkout']));
  });

  it('creates a key in a dialog by keyboard, and shows the full key once', async () => {
    const { drun, page, rows } = await open();
    await page.getByRole('button', { name: 'Create API key' }).focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Create API key' });
    await page.keyboard.press('Enter');
    expect(await dialog.getByLabel('Name').evaluate((input) => input.matches(':invalid'))).toBe(true);
    expect([...drun.keys]).toHaveLength(2);
    expect(await violations(page)).toEqual([]);
    await page.keyboard.type('<b>mine</b>');
    await page.keyboard.press('Enter');
    const created = page.getByRole('dialog', { name: 'API key created' });
    const fullKey = await created.getByLabel('API key for <b>mine</b>').inputValue();
    expect((await chat(drun, fullKey)).status).toBe(200);
    expect(await violations(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await created.waitFor({ state: 'hidden' });
    await eventually(async () => expect((await names(rows))[0]).toBe('<b>mine</b>'));
    expect(await page.content()).not.toContain(fullKey);
    expect(await page.locator('#created-key').inputValue()).toBe('');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('create');
  });

  it('explains why a key cannot be created', async () => {
    const { page } = await open({ maxKeys: 2 });
    await page.getByRole('button', { name: 'Create API key' }).click();
    await page.getByLabel('Name').fill('third');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('key limit').waitFor();
  });

  it('deletes a key after a confirmation', async () => {
    const { page, rows } = await open();
    await page.getByRole('button', { name: 'Delete checkout' }).click();
    const dialog = page.getByRole('alertdialog', { name: 'Delete API key?' });
    expect(await violations(page)).toEqual([]);
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    expect(await names(rows)).toEqual(['checkout', 'older']);
    await page.getByRole('button', { name: 'Delete checkout' }).click();
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await eventually(async () => expect(await names(rows)).toEqual(['older']));
  });

  it('shows recent requests with the reason of a rejection', async () => {
    const { drun, page } = await open();
    await chat(drun, 'sk-unknown-key-0123456789');
    await page.getByRole('button', { name: 'Refresh' }).click();
    const row = page.getByRole('row').filter({ hasText: 'POST /v1/chat/completions' });
    await row.waitFor();
    expect(await row.innerText()).toMatch(/401\s+sk-\*{6}6789\s+The API key is unknown\./);
    expect(await violations(page)).toEqual([]);
  });

  it.each(['', '#token=wrong'])('explains which URL to open if the token is missing: %j', async (hash) => {
    const { page, rows } = await open({}, hash);
    await page.getByRole('status').getByText('Open the address that the emulator printed').waitFor();
    expect(await names(rows)).toEqual([]);
    expect(await violations(page)).toEqual([]);
  });
});
