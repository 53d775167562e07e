import { expect, it } from 'vitest';
import { describeInChromium } from '../../support/browser.ts';
import { createOnPage, keyRow, visit } from './visit.ts';

// A browser on another machine: it knows this one by a name of which the emulator knows nothing.
const elsewhere = { host: 'desk.example', serve: { host: '0.0.0.0' }, accessToken: 'the-access-token' };

describeInChromium('the page of an emulator that other machines reach', (openPage) => {
  it('asks for the access token before it shows anything, and again where that is wrong', async () => {
    const { drun, page } = await visit(openPage, { ...elsewhere, keys: ['checkout'] });
    const dialog = page.getByRole('dialog', { name: 'Sign in' });
    await dialog.getByLabel('Access token').fill('the-wrong-token');
    expect(await page.content()).not.toContain('checkout');
    await page.keyboard.press('Enter');
    await dialog.getByText('This is not the access token of the emulator.').waitFor();
    await dialog.getByLabel('Access token').fill('the-access-token');
    await page.keyboard.press('Enter');
    await keyRow(page, 'checkout').waitFor();
    await page.getByRole('status').getByText('Running').waitFor();
    // Whoever failed did not get as far as the service.
    expect(Array.from(drun.requests, ({ status }) => status)).toEqual([200, 200]);

    const created = await createOnPage(page, 'another');
    await created.getByRole('button', { name: 'Done' }).click();
    await keyRow(page, 'another').waitFor();
  });

  it('keeps the token in its memory only', async () => {
    const { page } = await visit(openPage, elsewhere);
    const dialog = page.getByRole('dialog', { name: 'Sign in' });
    await dialog.getByLabel('Access token').fill('the-access-token');
    await page.keyboard.press('Enter');
    await page.getByText('No API keys yet').waitFor();
    const kept = await page.evaluate(() => [
      document.documentElement.outerHTML,
      document.cookie,
      JSON.stringify({ ...localStorage, ...sessionStorage }),
      ...Array.from(document.querySelectorAll('input'), ({ value }) => value),
    ]);
    expect(kept.join()).not.toContain('the-access-token');
    await page.reload();
    await dialog.waitFor();
  });

  it('cannot be left for the page without the token', async () => {
    const { page } = await visit(openPage, elsewhere);
    const dialog = page.getByRole('dialog', { name: 'Sign in' });
    await dialog.waitFor();
    await page.keyboard.press('Escape');
    await dialog.getByLabel('Access token').fill('not one token');
    await page.keyboard.press('Enter');
    await dialog.getByRole('alert').getByText('Enter the access token.').waitFor();
  });

  it('copies by marking, for browsers give no clipboard to a page that is not of their machine', async () => {
    const { page } = await visit(openPage, elsewhere);
    await page.getByRole('dialog', { name: 'Sign in' }).getByLabel('Access token').fill('the-access-token');
    await page.keyboard.press('Enter');
    const created = await createOnPage(page, 'checkout');
    await created.getByRole('button', { name: 'Copy API key' }).click();
    await created.getByRole('status').getByText('Press Ctrl+C').waitFor();
  });
});

describeInChromium('the page of an emulator that other machines reach, on its own machine', (openPage) => {
  it('asks for nothing', async () => {
    const { page } = await visit(openPage, { serve: { host: '0.0.0.0' }, keys: ['checkout'] });
    await keyRow(page, 'checkout').waitFor();
  });
});
