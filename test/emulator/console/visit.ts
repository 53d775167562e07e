import { createEmulator, type Emulator, type EmulatorOptions } from 'drun-sdk/emulator';
import { type EmulatorServer, type ServeOptions, serve } from 'drun-sdk/emulator/node';
import type { Locator, Page } from 'playwright-core';
import { onTestFinished } from 'vitest';
import type { OpenPage } from '../../support/browser.ts';
import { createKey } from '../wire.ts';

/** Somebody who looks at the page of an emulator. */
export interface Visit {
  readonly drun: Emulator;
  readonly server: EmulatorServer;
  readonly page: Page;
}

export interface VisitOptions extends EmulatorOptions {
  /** The names of the keys that are there before the page is opened, oldest first. */
  readonly keys?: readonly string[];
  readonly serve?: ServeOptions;
  /** The name by which the browser knows the machine. */
  readonly host?: string;
  /** In pixels. */
  readonly width?: number;
}

/** Opens the page of a new emulator; it is there, but what it loads may not be. */
export async function visit(openPage: OpenPage, options: VisitOptions = {}): Promise<Visit> {
  const { keys = [], serve: serveOptions, host, width, ...emulatorOptions } = options;
  const drun = createEmulator(emulatorOptions);
  for (const name of keys) await createKey(drun, { name });
  const server = await serve(drun, serveOptions);
  onTestFinished(() => server.close());
  const page = await openPage(width);
  await page.goto(host === undefined ? server.url : `http://${host}:${server.port}`);
  return { drun, server, page };
}

/** Comes back to the page, which then asks the emulator for what is new at once instead of within a second. */
export async function comeBack(page: Page): Promise<void> {
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
}

/** The rows of the table of keys. */
export function keyRows(page: Page): Locator {
  return page.getByRole('table', { name: 'API keys, newest first' }).locator('tbody').getByRole('row');
}

export function keyRow(page: Page, name: string): Locator {
  return keyRows(page).filter({ has: page.getByRole('rowheader', { name, exact: true }) });
}

/** Opens the dialog that creates a key. */
export async function openCreateDialog(page: Page): Promise<Locator> {
  await page.getByRole('main').getByRole('button', { name: 'Create', exact: true }).click();
  return page.getByRole('dialog', { name: 'Create API key' });
}

/** Creates a key with the page; gives the dialog that shows it. */
export async function createOnPage(page: Page, name: string): Promise<Locator> {
  const dialog = await openCreateDialog(page);
  await dialog.getByLabel('Name').fill(name);
  await dialog.getByRole('button', { name: 'Create' }).click();
  return page.getByRole('dialog', { name: 'API key created' });
}

/** Opens the dialog that deletes a key. */
export async function openDeleteDialog(page: Page, name: string): Promise<Locator> {
  await keyRow(page, name).getByRole('button').click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  return page.getByRole('alertdialog', { name: 'Delete API key?' });
}
