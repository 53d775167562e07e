/**
 * Deletes unused keys. Run it as a daily job.
 *
 *   DRUN_ACCESS_TOKEN=… node examples/prune-cron.ts            lists the keys that would be deleted
 *   DRUN_ACCESS_TOKEN=… node examples/prune-cron.ts --delete   deletes them
 *
 * Prints one line per key. Exits with 1 if a key could not be deleted.
 */
import { ApiKeys, isDrunError } from 'drun-sdk';

const DAY_MS = 24 * 60 * 60 * 1000;

const keys = new ApiKeys(); // reads DRUN_ACCESS_TOKEN

try {
  const pruned = await keys.prune(
    { unusedForMs: 90 * DAY_MS, olderThanMs: 90 * DAY_MS },
    { dryRun: !process.argv.includes('--delete') },
  );
  for (const result of pruned) {
    const { name, maskedKey, lastUsedAt } = result.key;
    const lastUse = lastUsedAt?.toISOString().slice(0, 10) ?? 'never';
    console.log(`${result.outcome} ${maskedKey} ${name}, last used: ${lastUse}`);
    if (result.outcome === 'failed') {
      console.error(result.error);
      process.exitCode = 1;
    }
  }
} catch (error) {
  console.error(isDrunError(error) ? `${error.code}: ${error.message}` : error);
  process.exitCode = 1;
}
