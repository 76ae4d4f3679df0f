import type { ComponentChildren } from 'preact';
import { setQuery } from '../router';
import { Icon } from './Icon';

/** A column's name and direction, as `loss` or `-loss` in the query. */
export interface Sort {
  by: string;
  descending: boolean;
}

/** Reads the query's `sort`. */
export function readSort(text: string | null, otherwise: Sort): Sort {
  if (!text) return otherwise;
  return text.startsWith('-') ? { by: text.slice(1), descending: true } : { by: text, descending: false };
}

/** Orders by a value; those without one come last, whatever the direction. */
export function sortBy<T>(items: readonly T[], value: (item: T) => number | string, descending: boolean): T[] {
  const missing = (one: number | string): boolean => one === '' || Number.isNaN(one);
  return items
    .map((item, i) => ({ item, i, value: value(item) }))
    .sort((a, b) => {
      if (missing(a.value) || missing(b.value)) return Number(missing(a.value)) - Number(missing(b.value)) || a.i - b.i;
      const order = typeof a.value === 'string' && typeof b.value === 'string'
        ? a.value.localeCompare(b.value, 'en', { numeric: true, sensitivity: 'base' })
        : Number(a.value) - Number(b.value);
      return (descending ? -order : order) || a.i - b.i;
    })
    .map((one) => one.item);
}

/** A column's head, which sorts by it: the choice is kept in the query. */
export function SortHead({ by, sort, right, down, children }: { by: string; sort: Sort; right?: boolean; down?: boolean; children: ComponentChildren }) {
  const active = sort.by === by;
  // The first click takes the column's natural direction.
  const next = active ? !sort.descending : down === true;
  return (
    <th class={right ? 'right' : ''} aria-sort={active ? (sort.descending ? 'descending' : 'ascending') : 'none'}>
      <button class={`sort ${active ? 'active' : ''}`} type="button" onClick={() => setQuery({ sort: `${next ? '-' : ''}${by}` })}>
        {children}
        <Icon name={active && !sort.descending ? 'up' : 'down'} size={12} />
      </button>
    </th>
  );
}
