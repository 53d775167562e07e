import { ConfigurationError } from '../errors/index.ts';
import type { Endpoint } from '../http/client.ts';
import { checkPathSegment } from '../http/url.ts';
import { maskKeys } from '../secret/mask.ts';
import { decodeJson } from './control-plane.ts';
import { usageStatistics, type WireUsage } from './schema.ts';
import { wireTime } from './wire-time.ts';

/** Which use of API keys to count. */
export interface ApiKeyUsageQuery {
  /** From when on (`startTime`). Default: the service's own. */
  readonly from?: Date | undefined;
  /** Until when (`endTime`). Default: the service's own. */
  readonly to?: Date | undefined;
  /** How long a time each point stands for. Default: the service's own. */
  readonly period?: 'hour' | 'day' | 'week' | 'month' | undefined;
  /** The keys to count, one or more. Default: all. */
  readonly ids?: readonly string[] | undefined;
  /** The models to count, one or more. Default: all. */
  readonly models?: readonly string[] | undefined;
}

/** What API keys were used for. */
export interface ApiKeyUsage {
  /** In all (`totalUsage`). */
  readonly totals: UsageAmounts;
  /** By model and time (`dataPoints`), in the order in which they came. */
  readonly points: readonly UsagePoint[];
}

/** What was used of one model in one period of time. */
export interface UsagePoint extends UsageAmounts {
  readonly model: string;
  /** What the model does: `TEXT_GENERATION`, `EMBEDDING`, …; absent where the service does not say. */
  readonly modelType?: string | undefined;
  /** The time that the service gives for the period; absent where it gives none. */
  readonly timestamp?: Date | undefined;
}

/** How much was used. */
export interface UsageAmounts {
  readonly tokens: TokenUsage;
  /** Absent where the service says nothing of them. */
  readonly characters?: { readonly input: number } | undefined;
  /** Absent where the service says nothing of it. */
  readonly audio?: AudioUsage | undefined;
}

/** Numbers of tokens; what the service leaves out is 0. */
export interface TokenUsage {
  readonly input: number;
  readonly output: number;
  /** Those of the input that came out of a cache. */
  readonly cached: number;
  readonly total: number;
}

/** Audio, in the units of the service, which documents none. */
export interface AudioUsage {
  /** `inputAudioDuration` */
  readonly inputDuration?: number | undefined;
  /** `outputAudioDuration` */
  readonly outputDuration?: number | undefined;
  readonly sampleRate?: number | undefined;
}

const PERIODS = {
  hour: 'TIME_PERIOD_HOUR',
  day: 'TIME_PERIOD_DAY',
  week: 'TIME_PERIOD_WEEK',
  month: 'TIME_PERIOD_MONTH',
} as const;

/** @throws ConfigurationError if the query cannot be used. */
export function usageOperation(query: ApiKeyUsageQuery): Endpoint<ApiKeyUsage> {
  return {
    method: 'POST',
    path: '/apikeys-stats',
    body: usageBody(query),
    retry: 'transient',
    decode: decodeJson(
      { fields: ['totalUsage', 'dataPoints'], allowEmpty: true },
      usageStatistics,
      ({ totalUsage, dataPoints }) => ({
        totals: amountsFromWire(totalUsage ?? {}),
        points: (dataPoints ?? []).map(({ model, modelType, timestamp, usage }) => ({
          model: maskKeys(model ?? ''),
          ...(modelType && !modelType.endsWith('_UNSPECIFIED') && { modelType: maskKeys(modelType) }),
          ...(timestamp && { timestamp: new Date(timestamp) }),
          ...amountsFromWire(usage ?? {}),
        })),
      }),
    ),
  };
}

function amountsFromWire(wire: WireUsage): UsageAmounts {
  const { input, output, cached, total, inputCharacters } = wire;
  const audio = {
    ...(wire.inputAudioDuration && { inputDuration: wire.inputAudioDuration }),
    ...(wire.outputAudioDuration && { outputDuration: wire.outputAudioDuration }),
    ...(wire.sampleRate && { sampleRate: wire.sampleRate }),
  };
  return {
    tokens: { input: input ?? 0, output: output ?? 0, cached: cached ?? 0, total: total ?? 0 },
    ...(inputCharacters && { characters: { input: inputCharacters } }),
    ...(Object.keys(audio).length > 0 && { audio }),
  };
}

function usageBody({ from, to, period, ids, models }: ApiKeyUsageQuery): Record<string, unknown> {
  const startTime = from && wireTime(from, 'from');
  const endTime = to && wireTime(to, 'to');
  if (from && to && from > to)
    throw new ConfigurationError('from must not be later than to', { option: 'from' });
  return {
    ...(startTime && { startTime }),
    ...(endTime && { endTime }),
    ...(period !== undefined && { period: wirePeriod(period) }),
    ...(ids !== undefined && { ids: someTexts(ids, 'ids').map((id) => checkPathSegment(id, 'ids')) }),
    ...(models !== undefined && { models: someTexts(models, 'models') }),
  };
}

function wirePeriod(period: keyof typeof PERIODS): string {
  if (Object.hasOwn(PERIODS, period)) return PERIODS[period];
  throw new ConfigurationError('period must be hour, day, week or month', { option: 'period' });
}

/** An empty list means "all" on the wire: a caller whose filter found nothing would be told of everything. */
function someTexts(texts: readonly string[], option: 'ids' | 'models'): readonly string[] {
  const isList = Array.isArray(texts) && texts.every((text) => typeof text === 'string' && text !== '');
  if (isList && texts.length > 0) return texts;
  throw new ConfigurationError(`${option} must be a list of texts that is not empty; leave it out for all`, {
    option,
  });
}
