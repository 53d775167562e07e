/// <reference path="./text-imports.d.ts" />
import { text as icon } from './browser/icon.svg?text';
import { text as script } from './browser/main.ts?text';
import { text as page } from './browser/page.html?text';
import { text as style } from './browser/style.css?text';

/** A file of the page, as it is sent. */
export interface Asset {
  readonly type: string;
  readonly text: string;
}

/** By their paths. */
export const assets: Readonly<Record<string, Asset>> = {
  '/': { type: 'text/html; charset=utf-8', text: page },
  '/console/icon.svg': { type: 'image/svg+xml', text: icon },
  '/console/script.js': { type: 'text/javascript; charset=utf-8', text: script },
  '/console/style.css': { type: 'text/css; charset=utf-8', text: style },
};
