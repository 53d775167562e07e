import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Any domain name may resolve to a loopback address.
  '--host-resolver-rules=MAP *.example 127.0.0.1',
];

/** Returns the path of Chromium: `DRUN_CHROMIUM`, or else the first executable on `PATH`. */
export function findChromium(): string | undefined {
  const { DRUN_CHROMIUM, PATH = '' } = process.env;
  if (DRUN_CHROMIUM) return DRUN_CHROMIUM;
  const folders = PATH.split(delimiter).filter((folder) => folder !== '');
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(isExecutable);
}

export function launchChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: FLAGS });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
