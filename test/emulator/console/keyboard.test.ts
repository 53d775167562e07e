import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { describeInChromium, eventually } from '../../support/browser.ts';
import { chat } from '../wire.ts';
import { comeBack, keyRow, visit } from './visit.ts';

/** The accessible name of what has the focus, or its text. */
function focused(page: Page): Promise<string> {
  return page.evaluate(() => {
    const element = document.activeElement;
    if (element instanceof HTMLInputElement || element instanceof HTMLSelectElement) {
      return element.labels?.[0]?.textContent ?? element.ariaLabel ?? '';
    }
    return element?.ariaLabel ?? element?.textContent?.trim() ?? '';
  });
}

/** Waits for the focus to get there: it moves with what comes back from the emulator. */
async function expectFocus(page: Page, name: string): Promise<void> {
  await eventually(async () => expect(await focused(page)).toBe(name));
}

describeInChromium('with nothing but the keyboard', (openPage) => {
  it('a key is created, copied, called with, and deleted, and the focus is never lost', async () => {
    const { drun, server, page } = await visit(openPage, { keys: ['older'] });
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.url });
    await keyRow(page, 'older').waitFor();
    const { keyboard } = page;

    await keyboard.press('Tab');
    await expectFocus(page, 'Create');
    await keyboard.press('Enter');
    await expectFocus(page, 'Name');
    await keyboard.type('checkout');
    await keyboard.press('Enter');
    await expectFocus(page, 'API key of checkout');
    await keyboard.press('Tab');
    await expectFocus(page, 'Copy API key');
    await keyboard.press('Enter');
    await page.getByRole('status').getByText('Copied').waitFor();
    const key = await page.evaluate(() => navigator.clipboard.readText());
    expect((await chat(drun, key)).status).toBe(200);
    await keyboard.press('Tab');
    await expectFocus(page, 'Copy command');
    await keyboard.press('Tab');
    await expectFocus(page, 'Done');
    await keyboard.press('Enter');
    await expectFocus(page, 'Create');

    await keyRow(page, 'checkout').waitFor();
    for (const name of ['Search API keys', 'Refresh', 'Actions for checkout']) {
      await keyboard.press('Tab');
      await expectFocus(page, name);
    }
    await keyboard.press('Enter');
    await expectFocus(page, 'Use in command');
    await keyboard.press('ArrowDown');
    await expectFocus(page, 'Delete');
    await keyboard.press('Enter');
    await expectFocus(page, 'Cancel');
    await keyboard.press('Tab');
    await expectFocus(page, 'Delete');
    await keyboard.press('Enter');
    await expectFocus(page, 'Actions for older');
    expect([...drun.keys].map(({ name }) => name)).toEqual(['older']);
    expect((await chat(drun, key)).status).toBe(401);
  });

  it('Escape leaves every dialog and menu, and the focus goes back to where it came from', async () => {
    const { page } = await visit(openPage, { keys: ['checkout'] });
    await keyRow(page, 'checkout').waitFor();
    const { keyboard } = page;

    await page.getByRole('main').getByRole('button', { name: 'Create', exact: true }).focus();
    await keyboard.press('Enter');
    await expectFocus(page, 'Name');
    await keyboard.press('Escape');
    await expectFocus(page, 'Create');

    await page.getByRole('button', { name: 'Actions for checkout' }).focus();
    await keyboard.press('Enter');
    await expectFocus(page, 'Use in command');
    await keyboard.press('Escape');
    await expectFocus(page, 'Actions for checkout');

    await keyboard.press('ArrowDown');
    await expectFocus(page, 'Use in command');
    await keyboard.press('End');
    await keyboard.press('Enter');
    await expectFocus(page, 'Cancel');
    await keyboard.press('Escape');
    await expectFocus(page, 'Actions for checkout');
  });

  it('arrows go round the menu, Home and End to its ends, and Tab leaves it', async () => {
    const { page } = await visit(openPage, { keys: ['checkout'] });
    const button = page.getByRole('button', { name: 'Actions for checkout' });
    await button.press('Enter');
    await expectFocus(page, 'Use in command');
    expect(await button.getAttribute('aria-expanded')).toBe('true');
    for (const [key, item] of [
      ['ArrowUp', 'Delete'],
      ['ArrowDown', 'Use in command'],
      ['End', 'Delete'],
      ['Home', 'Use in command'],
    ] as const) {
      await page.keyboard.press(key);
      await expectFocus(page, item);
    }
    await page.keyboard.press('Tab');
    await page.getByRole('menu').waitFor({ state: 'hidden' });
    await expectFocus(page, 'API key');
    expect(await button.getAttribute('aria-expanded')).toBe('false');
  });

  it('a menu is closed where its button is scrolled away from it, and by no other scrolling', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `key ${index}`);
    const { page } = await visit(openPage, { maxKeys: 20, keys: names });
    // Enough of them to scroll.
    await comeBack(page);
    await page.getByRole('cell', { name: 'POST' }).first().waitFor();
    await page.getByRole('button', { name: 'Actions for key 19' }).press('Enter');
    await expectFocus(page, 'Use in command');
    const afterScrolling = async (target: string): Promise<boolean> => {
      await page.evaluate(async (selector) => {
        document.querySelector(selector)?.scrollBy({ top: 50 });
        // The event comes with the first of them.
        for (let frame = 0; frame < 2; frame++)
          await new Promise((resolve) => requestAnimationFrame(resolve));
      }, target);
      return page.getByRole('menu').isVisible();
    };
    expect(await afterScrolling('.scroll')).toBe(true);
    expect(await afterScrolling('html')).toBe(false);
  });

  it('the focus goes to Create when the last key is deleted', async () => {
    const { page } = await visit(openPage, { keys: ['only'] });
    await page.getByRole('button', { name: 'Actions for only' }).press('Enter');
    // Which the menu moves once it is open: not under the hands of the next key.
    await expectFocus(page, 'Use in command');
    await page.getByRole('menuitem', { name: 'Delete' }).press('Enter');
    await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).press('Enter');
    await expectFocus(page, 'Create');
  });
});
