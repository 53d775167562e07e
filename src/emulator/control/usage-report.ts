import { addUsage, type TokenUsage, type UsageEntry } from '../usage-ledger.ts';
import { timestamp, withoutZeros } from './protobuf-json.ts';
import type { Period, UsageQuery } from './usage-query.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const NOTHING: TokenUsage = { input: 0, output: 0, cached: 0, total: 0 };

/** What was used, in all and by period and model, as the control plane writes it: oldest first, then by model. */
export function usageReport(entries: readonly UsageEntry[], query: UsageQuery): object {
  const points = new Map<string, { time: number; model: string; usage: TokenUsage }>();
  let all = NOTHING;
  for (const { time, keyId, model, usage } of entries) {
    if (time < query.from || time >= query.to) continue;
    if (!isWanted(query.ids, keyId) || !isWanted(query.models, model)) continue;
    const start = startOf(query.period, time);
    const name = JSON.stringify([start, model]);
    const point = points.get(name) ?? { time: start, model, usage: NOTHING };
    points.set(name, { ...point, usage: addUsage(point.usage, usage) });
    all = addUsage(all, usage);
  }
  const sorted = [...points.values()].sort((a, b) => a.time - b.time || (a.model < b.model ? -1 : 1));
  return withoutZeros({
    totalUsage: usageMessage(all),
    dataPoints: sorted.map(({ time, model, usage }) => ({
      timestamp: timestamp(time),
      model,
      modelType: 'TEXT_GENERATION',
      usage: usageMessage(usage),
    })),
  });
}

function isWanted(wanted: readonly string[], value: string): boolean {
  return wanted.length === 0 || wanted.includes(value);
}

function usageMessage({ input, output, cached, total }: TokenUsage): object {
  return withoutZeros({
    input: BigInt(input),
    output: BigInt(output),
    cached: BigInt(cached),
    total: BigInt(total),
  });
}

/** When the period began in which a time is, in UTC; weeks begin on Mondays. */
function startOf(period: Period, time: number): number {
  if (period === 'hour') return Math.floor(time / HOUR_MS) * HOUR_MS;
  const day = Math.floor(time / DAY_MS) * DAY_MS;
  const date = new Date(day);
  if (period === 'week') return day - ((date.getUTCDay() + 6) % 7) * DAY_MS;
  return period === 'month' ? Date.UTC(date.getUTCFullYear(), date.getUTCMonth()) : day;
}
