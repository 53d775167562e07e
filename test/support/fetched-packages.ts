import { createRequire } from 'node:module';
import { fetchPackages } from '../../.ci/fetch-packages.ts';

/** Packages that only a few slow tests need. They are installed once, into the ignored folder `.cache`. */
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

/** Suffix of a test title if the packages are missing, or an empty string. */
export const packagesSkipNote = fetchedFolder === undefined ? ' (skipped: cannot install its packages)' : '';

export const requireFetched = createRequire(`${fetchedFolder ?? import.meta.dirname}/package.json`);
