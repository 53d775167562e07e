import * as z from 'zod/mini';
import { invalidField } from './control-errors.ts';
import { moment, parseRequest } from './parse-request.ts';

/** Which usage is asked for. */
export interface UsageQuery {
  /** Milliseconds since 1970, this moment included. */
  readonly from: number;
  /** Milliseconds since 1970, this moment not included. */
  readonly to: number;
  /** Empty for all. */
  readonly ids: readonly string[];
  /** Empty for all. */
  readonly models: readonly string[];
  readonly period: Period;
}

export type Period = 'hour' | 'day' | 'week' | 'month';

/** What an unspecified period stands for is documented nowhere; a day is as good as any. */
const PERIODS: Readonly<Record<string, Period>> = {
  TIME_PERIOD_UNSPECIFIED: 'day',
  TIME_PERIOD_HOUR: 'hour',
  TIME_PERIOD_DAY: 'day',
  TIME_PERIOD_WEEK: 'week',
  TIME_PERIOD_MONTH: 'month',
};

const texts = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.array(/* @__PURE__ */ z.string()));

const usageRequest = /* @__PURE__ */ z.object({
  startTime: moment,
  endTime: moment,
  ids: texts,
  models: texts,
  period: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.enum(/* @__PURE__ */ Object.keys(PERIODS))),
});

export function readUsageRequest(body: unknown): UsageQuery {
  const { startTime, endTime, ids, models, period } = parseRequest(usageRequest, body);
  const from = startTime ? Date.parse(startTime) : Number.NEGATIVE_INFINITY;
  const to = endTime ? Date.parse(endTime) : Number.POSITIVE_INFINITY;
  if (from > to) throw invalidField('endTime');
  return {
    from,
    to,
    ids: ids ?? [],
    models: models ?? [],
    period: PERIODS[period ?? 'TIME_PERIOD_UNSPECIFIED'] ?? 'day',
  };
}

/** The same as a query, with `ids` and `models` as often as there are some. */
export function readUsageQuery(query: URLSearchParams): UsageQuery {
  const single = Object.fromEntries(query);
  return readUsageRequest({ ...single, ids: query.getAll('ids'), models: query.getAll('models') });
}
