import type { KeyRecord } from '../keys/key-record.ts';
import type { PageQuery } from './page-query.ts';

/** The keys of one page, and how many there are on all of them. */
export interface Page {
  readonly items: readonly KeyRecord[];
  readonly total: number;
}

const FIELDS: Readonly<Record<string, (key: KeyRecord) => string | number>> = {
  id: (key) => key.id,
  name: (key) => key.name,
  key: (key) => key.secret.reveal(),
  creationTimestamp: (key) => key.createdAt,
};

/** Newest first unless sorted. The search looks for its text anywhere in id, name and whole key, in any case. */
export function selectPage(keys: readonly KeyRecord[], query: PageQuery): Page {
  const wanted = query.search.toLowerCase();
  const found = keys.filter((key) =>
    [key.id, key.name, key.secret.reveal()].some((text) => text.toLowerCase().includes(wanted)),
  );
  const sorted = sort(found, query.sort);
  if (query.pageSize === -1) return { items: query.page === 1 ? sorted : [], total: sorted.length };
  const start = (query.page - 1) * query.pageSize;
  return { items: sorted.slice(start, start + query.pageSize), total: sorted.length };
}

/**
 * How the service wants its `page.sort` written is documented nowhere. Taken here: a field's name, descending
 * with `-` before it or `desc` after it. Whatever is something else leaves the order as it is.
 */
function sort(keys: readonly KeyRecord[], order: string): readonly KeyRecord[] {
  const match = /^(-?)(\w+)(?:[ ,:](asc|desc))?$/i.exec(order.trim());
  const fieldName = match?.[2] ?? '';
  const field = Object.hasOwn(FIELDS, fieldName) ? FIELDS[fieldName] : undefined;
  if (field === undefined) return keys.toReversed();
  const descending = match?.[1] === '-' || match?.[3]?.toLowerCase() === 'desc';
  const ascending = keys.toSorted((a, b) => compare(field(a), field(b)));
  return descending ? ascending.reverse() : ascending;
}

function compare(a: string | number, b: string | number): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
