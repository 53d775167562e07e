import { median, ratio } from './measure.ts';

/** The client that all others are compared with. */
export const BASELINE = 'fetch';

/** One column of a table: a value per round for each client. */
export interface Column {
  readonly title: string;
  readonly values: ReadonlyMap<string, readonly number[]>;
  readonly digits?: number;
}

/** A Markdown table with the median of each client, and its ratio to the baseline in the same rounds if there is one. */
export function table(columns: readonly Column[]): string {
  const names = new Set(columns.flatMap(({ values }) => [...values.keys()]));
  const rows = [...names].map((name) => [name, ...columns.map((column) => cell(column, name))]);
  const lines = [['', ...columns.map(({ title }) => title)], ['---', ...columns.map(() => '--:')], ...rows];
  const widths =
    lines[0]?.map((_, index) => Math.max(...lines.map((line) => line[index]?.length ?? 0))) ?? [];
  return lines
    .map((line) => `| ${line.map((text, index) => pad(text, widths[index] ?? 0, index > 0)).join(' | ')} |`)
    .join('\n');
}

function pad(text: string, width: number, isNumber: boolean): string {
  if (/^-+:?$/.test(text)) return isNumber ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width);
  return isNumber ? text.padStart(width) : text.padEnd(width);
}

function cell({ values, digits = 0 }: Column, name: string): string {
  const own = values.get(name);
  if (own === undefined) return '';
  const value = median(own).toLocaleString('en', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  const baseline = values.get(BASELINE);
  return baseline === undefined ? value : `${value} (× ${ratio(own, baseline).toFixed(2)})`;
}
