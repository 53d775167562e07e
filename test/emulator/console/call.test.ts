import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { describeInChromium, eventually } from '../../support/browser.ts';
import { chat, createKey } from '../wire.ts';
import { comeBack, createOnPage, keyRow, openDeleteDialog, visit } from './visit.ts';

describeInChromium('beside the keys', (openPage) => {
  it('is the command for the key and the model that one chooses, with a word in place of the key', async () => {
    const { server, page } = await visit(openPage, {
      keys: ['older', 'newer'],
      models: ['public/one', 'public/two'],
    });
    const panel = page.getByRole('region', { name: 'Call a model' });
    const command = panel.locator('pre');
    await keyRow(page, 'newer').waitFor();
    await panel.getByText('stands for the whole key of newer').waitFor();
    expect(await command.textContent()).toContain(`curl ${server.url}/v1/chat/completions`);
    expect(await command.textContent()).toContain('"model": "public/one"');
    expect(await command.textContent()).toContain('"Authorization: Bearer $DRUN_API_KEY"');

    await panel.getByLabel('Model').selectOption('public/two');
    expect(await command.textContent()).toContain('"model": "public/two"');
    await panel.getByLabel('API key').selectOption({ index: 1 });
    await panel.getByText('stands for the whole key of older').waitFor();
    await keyRow(page, 'newer').getByRole('button').click();
    await page.getByRole('menuitem', { name: 'Use in command' }).click();
    await panel.getByText('stands for the whole key of newer').waitFor();
  });

  it('offers the models that the upstream server has, once it answers', async () => {
    let isUp = false;
    const fetch = async (): Promise<Response> => {
      if (!isUp) throw new TypeError('fetch failed');
      return Response.json({ data: [{ id: 'llama3' }, { id: 'qwen' }] });
    };
    const { page } = await visit(openPage, {
      keys: ['checkout'],
      upstream: { url: 'https://models.test/v1', fetch },
    });
    const offered = page.getByLabel('Model', { exact: true }).getByRole('option');
    await keyRow(page, 'checkout').waitFor();
    await page.getByRole('status').getByText('Running').waitFor();
    await eventually(async () => expect(await offered.allTextContents()).toEqual(['No model']));
    isUp = true;
    await page.getByRole('button', { name: 'Refresh' }).click();
    await eventually(async () => expect(await offered.allTextContents()).toEqual(['llama3', 'qwen']));
    const command = page.getByRole('region', { name: 'Call a model' }).locator('pre');
    expect(await command.textContent()).toContain('"model": "llama3"');
  });

  it('shows the keys while the upstream server says nothing, whose first answer may come last', async () => {
    const first = Promise.withResolvers<Response>();
    let asked = 0;
    const fetch = async (): Promise<Response> =>
      ++asked === 1 ? first.promise : Response.json({ data: [{ id: 'llama3' }] });
    const { page } = await visit(openPage, {
      keys: ['checkout'],
      upstream: { url: 'https://models.test/v1', fetch },
    });
    await keyRow(page, 'checkout').waitFor();
    await page.getByRole('status').getByText('Running').waitFor();
    await page.getByRole('button', { name: 'Refresh' }).click();
    const offered = page.getByLabel('Model', { exact: true }).getByRole('option');
    await eventually(async () => expect(await offered.allTextContents()).toEqual(['llama3']));
    const late = page.waitForResponse('**/console/models');
    first.reject(new TypeError('fetch failed'));
    expect(await (await late).finished()).toBe(null);
    // What comes of an answer comes before the next picture.
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    expect(await offered.allTextContents()).toEqual(['llama3']);
  });

  it('the choice stays what it is while the list is refreshed and searched', async () => {
    const { drun, page } = await visit(openPage, { keys: ['older', 'newer'] });
    const panel = page.getByRole('region', { name: 'Call a model' });
    await keyRow(page, 'newer').waitFor();
    await panel.getByLabel('API key').selectOption({ index: 1 });
    await createKey(drun, { name: 'newest' });
    await page.getByRole('button', { name: 'Refresh' }).click();
    await keyRow(page, 'newest').waitFor();
    await panel.getByText('stands for the whole key of older').waitFor();
    await page.getByRole('searchbox').fill('newest');
    await page.getByRole('status').getByText('1 API key', { exact: true }).waitFor();
    expect(await panel.getByText('stands for the whole key of older').isVisible()).toBe(true);
  });

  it('a deleted key is offered no more, also where a search hides the others', async () => {
    const { page } = await visit(openPage, { keys: ['older', 'newer'] });
    await keyRow(page, 'older').waitFor();
    await page.getByRole('searchbox').fill('newer');
    await keyRow(page, 'older').waitFor({ state: 'detached' });
    const dialog = await openDeleteDialog(page, 'newer');
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await page.getByText('No API key fits “newer”.').waitFor();
    const offered = page.getByLabel('API key', { exact: true }).getByRole('option');
    expect(await offered.allTextContents()).toEqual([expect.stringMatching(/^older /)]);
  });

  it('the command can be copied', async () => {
    const { server, page } = await visit(openPage);
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.url });
    const panel = page.getByRole('region', { name: 'Call a model' });
    await panel
      .getByLabel('Model')
      .getByRole('option', { name: 'public/deepseek-r1' })
      .waitFor({ state: 'attached' });
    await panel.getByRole('button', { name: 'Copy command' }).click();
    await panel.getByRole('status').getByText('Copied').waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(
      await panel.locator('pre').textContent(),
    );
  });

  it('the command with a new key, while that is shown, is one that works', async () => {
    const { page } = await visit(openPage);
    const dialog = await createOnPage(page, 'checkout');
    const command = await dialog.locator('pre').textContent();
    expect(command).toContain(await dialog.getByLabel('API key of checkout').inputValue());
    const { stdout } = await promisify(execFile)('sh', ['-c', `${command} --silent --show-error --fail`]);
    expect(JSON.parse(stdout)).toMatchObject({ choices: [{ message: { content: 'Hello!' } }] });
  });

  it('the last requests come by themselves, newest first, with masked credentials', async () => {
    const { drun, page } = await visit(openPage);
    await page.getByText('No API keys yet').waitFor();
    const { key } = await createKey(drun);
    await chat(drun, key);
    await chat(drun, 'sk-this-is-nobodys-key-0123456789');
    const rows = page
      .getByRole('table', { name: /last 50 requests/ })
      .locator('tbody')
      .getByRole('row');
    await rows.filter({ hasText: '401' }).waitFor();
    const cells = rows.nth(0).getByRole('cell');
    expect((await cells.allTextContents()).slice(1)).toEqual([
      'POST',
      '/v1/chat/completions',
      '401',
      'sk-******6789',
    ]);
    const before = rows.nth(1).getByRole('cell');
    expect((await before.allTextContents()).slice(3)).toEqual(['200', `sk-******${key.slice(-4)}`]);
    const [newest] = [...drun.requests].reverse();
    expect(await rows.nth(0).locator('time').getAttribute('datetime')).toBe(newest?.at.toISOString());
  });

  it('what the page does with keys is among the requests, and what it loads itself is not', async () => {
    const { drun, page } = await visit(openPage);
    await page.getByText('No API keys yet').waitFor();
    await (await createOnPage(page, 'checkout')).waitFor();
    await comeBack(page);
    await page.getByRole('cell', { name: 'POST' }).first().waitFor();
    await eventually(() =>
      expect(Array.from(drun.requests, ({ method, path, plane }) => [method, path, plane])).toEqual([
        ['GET', '/apis/hydra.io/v1alpha1/masked-apikeys', 'control'],
        ['POST', '/apis/hydra.io/v1alpha1/apikeys/check-creation', 'control'],
        ['POST', '/apis/hydra.io/v1alpha1/apikeys', 'control'],
        ['GET', '/apis/hydra.io/v1alpha1/masked-apikeys', 'control'],
      ]),
    );
  });
});
