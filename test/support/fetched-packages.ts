import { createRequire } from 'node:module';
import { fetchPackages } from '../../.ci/fetch-packages.ts';

/** Packages that only a few slow tests need. They are fetched once, into the ignored folder `.cache`. */
const packages = {
  '@aws-sdk/client-dynamodb': '3.1169.0',
  '@aws-sdk/lib-dynamodb': '3.1169.0',
  '@langchain/core': '1.4.0',
  '@langchain/openai': '1.6.0',
  dynalite: '4.0.0',
  miniflare: '4.20260730.0',
};

/** The folder that contains their `node_modules`; undefined if they cannot be fetched. */
export const fetchedFolder: string | undefined = await fetchPackages('tests', packages).catch(
  () => undefined,
);

/** For the title of a test that is skipped without the packages. */
export const packagesAreMissing =
  fetchedFolder === undefined ? ' (skipped: its packages cannot be fetched)' : '';

export const requireFetched = createRequire(`${fetchedFolder ?? import.meta.dirname}/package.json`);
