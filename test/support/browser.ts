import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, vi } from 'vitest';
import { findChromium, launchChromium } from './chromium.ts';

const executable = findChromium();

/** Starting a browser and rendering a page is slow on a busy machine. */
const TIME_LIMIT_MS = 60_000;

/** Repeats a check until it passes. */
export async function eventually(check: () => unknown): Promise<void> {
  await vi.waitFor(check, { timeout: 10_000 });
}

export interface OpenPage {
  /** Returns the page with default settings. */
  (width?: number): Promise<Page>;
  /** Waits for an error with this text, and ignores all errors reported so far. */
  expectPageError(text: string): Promise<void>;
}

/**
 * Defines tests in a real Chromium. They fail if the page throws, writes to the console, or violates its
 * Content-Security-Policy.
 */
export function describeInChromium(title: string, define: (openPage: OpenPage) => void): void {
  const skipNote =
    executable === undefined ? ' (skipped: no chromium on the path, nor in DRUN_CHROMIUM)' : '';
  describe.skipIf(executable === undefined)(`${title}${skipNote}`, { timeout: TIME_LIMIT_MS }, () => {
    let browser: Browser | undefined;
    let page: Page | undefined;
    let pageErrors: string[] = [];

    beforeAll(async () => {
      if (executable === undefined) return;
      browser = await launchChromium(executable);
      page = await browser.newPage();
      page.on('pageerror', (error) => pageErrors.push(String(error)));
      page.on('console', (message) => {
        // Logged for every error status, which some tests expect.
        if (!message.text().startsWith('Failed to load resource')) pageErrors.push(message.text());
      });
    }, TIME_LIMIT_MS);
    afterAll(() => browser?.close());
    afterEach(async () => {
      await page?.unrouteAll({ behavior: 'ignoreErrors' });
      const errors = pageErrors;
      pageErrors = [];
      expect(errors, 'errors of the page').toEqual([]);
    });

    // All tests share a page, because opening one takes half of a test's time. They share no state: each emulator has
    // its own port and is therefore a separate origin.
    const openPage = async (width = 1280): Promise<Page> => {
      if (page === undefined) throw new Error('the browser has not started');
      await page.setViewportSize({ width, height: 800 });
      await page.emulateMedia({ colorScheme: 'light' });
      return page;
    };
    const expectPageError = async (text: string): Promise<void> => {
      await eventually(() => expect(pageErrors.join('\n')).toContain(text));
      pageErrors = [];
    };
    define(Object.assign(openPage, { expectPageError }));
  });
}
