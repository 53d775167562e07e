import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, vi } from 'vitest';
import { findChromium, launchChromium } from './chromium.ts';

const executable = findChromium();

/** Starting a browser and drawing a page takes its time on a machine that is busy. */
const TIME_LIMIT_MS = 60_000;

/** Waits until what is expected holds, for as long as a busy machine may take. */
export async function eventually(check: () => unknown): Promise<void> {
  await vi.waitFor(check, { timeout: 10_000 });
}

export interface OpenPage {
  /** Gives the page of a test, with nothing in it that the test before has set. */
  (width?: number): Promise<Page>;
  /** Waits until the page has complained of something; what it has complained of until then is as it should be. */
  toComplainOf(text: string): Promise<void>;
}

/**
 * Tests in a real Chromium. Whatever the page complains of fails them: errors, console output, and what the
 * Content-Security-Policy kept from happening.
 */
export function describeInChromium(title: string, define: (openPage: OpenPage) => void): void {
  const why = executable === undefined ? ' (skipped: no chromium on the path, nor in DRUN_CHROMIUM)' : '';
  describe.skipIf(executable === undefined)(`${title}${why}`, { timeout: TIME_LIMIT_MS }, () => {
    let browser: Browser | undefined;
    let page: Page | undefined;
    let complaints: string[] = [];

    beforeAll(async () => {
      if (executable === undefined) return;
      browser = await launchChromium(executable);
      page = await browser.newPage();
      page.on('pageerror', (error) => complaints.push(String(error)));
      page.on('console', (message) => {
        // What the browser notes of an answer that is a refusal, which a test may want.
        if (!message.text().startsWith('Failed to load resource')) complaints.push(message.text());
      });
    }, TIME_LIMIT_MS);
    afterAll(() => browser?.close());
    afterEach(async () => {
      await page?.unrouteAll({ behavior: 'ignoreErrors' });
      const seen = complaints;
      complaints = [];
      expect(seen, 'the page complains of nothing').toEqual([]);
    });

    // One page for all: a new one costs half of a test's time. Every emulator has its own port and so is an origin of
    // its own, with which a page shares nothing.
    const openPage = async (width = 1280): Promise<Page> => {
      if (page === undefined) throw new Error('the browser has not started');
      await page.setViewportSize({ width, height: 800 });
      await page.emulateMedia({ colorScheme: 'light' });
      return page;
    };
    const toComplainOf = async (text: string): Promise<void> => {
      await eventually(() => expect(complaints.join('\n')).toContain(text));
      complaints = [];
    };
    define(Object.assign(openPage, { toComplainOf }));
  });
}
