import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { describeInChromium } from '../../support/browser.ts';
import { comeBack, createOnPage, keyRow, openCreateDialog, openDeleteDialog, visit } from './visit.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Axe {
  run(options: object): Promise<AxeResults>;
}

/** Everything that axe has against the page as it is, best practices included; in dark, only against its contrasts. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(`${AXE}; undefined`);
  const found: string[] = [];
  for (const [colorScheme, options] of [
    ['light', {}],
    ['dark', { runOnly: ['color-contrast'] }],
  ] as const) {
    await page.emulateMedia({ colorScheme });
    const results = await page.evaluate(
      (given) => (globalThis as unknown as { axe: Axe }).axe.run(given),
      options,
    );
    for (const { id, nodes } of results.violations) {
      found.push(
        ...nodes.map(({ html, failureSummary }) => `${colorScheme}: ${id}: ${html} ${failureSummary}`),
      );
    }
  }
  return found;
}

describeInChromium('axe finds nothing, in light and in dark,', (openPage) => {
  const keys = ['older', 'checkout'];

  it('on the page with keys, and requests of several statuses', async () => {
    const { drun, page } = await visit(openPage, { keys });
    await drun.fetch('https://chat.d.run/nothing');
    await keyRow(page, 'checkout').waitFor();
    await comeBack(page);
    await page.getByRole('cell', { name: '/nothing' }).waitFor();
    expect(await violations(page)).toEqual([]);
  });

  it('on the page without keys', async () => {
    const { page } = await visit(openPage);
    await page.getByText('No API keys yet').waitFor();
    expect(await violations(page)).toEqual([]);
  });

  it('where the list could not be loaded', async () => {
    const { page } = await visit(openPage, { keys });
    await page.route('**/masked-apikeys?*', (route) => route.abort());
    await page.getByRole('button', { name: 'Refresh' }).click();
    await page.getByRole('alert').getByText('The list could not be loaded').waitFor();
    expect(await violations(page)).toEqual([]);
  });

  it('with the menu of a key open', async () => {
    const { page } = await visit(openPage, { keys });
    await page.getByRole('button', { name: 'Actions for checkout' }).click();
    await page.getByRole('menu').waitFor();
    expect(await violations(page)).toEqual([]);
  });

  it('in the dialog that creates', async () => {
    const { page } = await visit(openPage, { keys });
    await openCreateDialog(page);
    expect(await violations(page)).toEqual([]);
  });

  it('in the dialog that creates with a message in it', async () => {
    const { page } = await visit(openPage, { keys });
    const dialog = await openCreateDialog(page);
    await dialog.getByRole('button', { name: 'Create' }).click();
    await dialog.getByText('Enter a name.').waitFor();
    expect(await violations(page)).toEqual([]);
  });

  it('in the dialog that shows the new key', async () => {
    const { page } = await visit(openPage, { keys });
    await (await createOnPage(page, 'new')).waitFor();
    expect(await violations(page)).toEqual([]);
  });

  it('in the dialog that deletes', async () => {
    const { page } = await visit(openPage, { keys });
    await (await openDeleteDialog(page, 'older')).waitFor();
    expect(await violations(page)).toEqual([]);
  });

  it('on a narrow screen, which nothing sticks out of', async () => {
    const { page } = await visit(openPage, {
      keys: ['a-name-that-is-one-long-word-without-any-place-to-break-it', 'checkout'],
      width: 320,
    });
    await keyRow(page, 'checkout').waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
    // On one line: not even a short word is cut.
    const state = page.getByRole('status').getByText('Running');
    expect((await state.boundingBox())?.height).toBeLessThan(30);
    expect(await violations(page)).toEqual([]);
  });

  it.each([320, 1280])(
    'in the dialogs of a long name, which sticks out of none, %d pixels wide',
    async (width) => {
      const name = 'a_name_that_is_one_long_word_without_any_place_to_break_it'.repeat(3);
      const { page } = await visit(openPage, { width });
      const created = await createOnPage(page, name);
      await created.waitFor();
      const excess = (element: HTMLElement): number => element.scrollWidth - element.clientWidth;
      expect(await created.evaluate(excess)).toBe(0);
      // What one sees of a key that is wider than its field is its beginning.
      const field = created.getByLabel(`API key of ${name}`);
      expect(await field.evaluate(({ scrollLeft }) => scrollLeft)).toBe(0);
      await created.getByRole('button', { name: 'Done' }).click();
      const deletion = await openDeleteDialog(page, name);
      await deletion.waitFor();
      expect(await deletion.evaluate(excess)).toBe(0);
    },
  );
});
