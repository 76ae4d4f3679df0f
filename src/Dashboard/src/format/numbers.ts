import type { Num } from '../api/types';

/** A number of the API as JavaScript's. */
export function number(value: Num | undefined | null): number {
  return value === undefined || value === null ? NaN : typeof value === 'number' ? value : Number(value);
}

const group = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** A count with its thousands set apart: 12,345. */
export function count(value: number): string {
  return Number.isFinite(value) ? group.format(value) : '–';
}

/** A large number in few characters: 4.2k, 1.3M, 7.1G. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '–';
  for (const [size, unit] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const)
    if (Math.abs(value) >= size * 0.9995) return significant(value / size, 3) + unit;
  return significant(value, 3);
}

/** So many significant digits, without an exponent for everyday sizes. */
export function significant(value: number, digits: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  if (value === 0) return '0';
  const magnitude = Math.abs(value);
  if (magnitude < 1e-4 || magnitude >= 1e9) return value.toExponential(digits - 1);
  return Number(value.toPrecision(digits)).toLocaleString('en', { maximumSignificantDigits: digits, useGrouping: magnitude >= 1e4 });
}

/** A loss or the like: four digits, zeros at the end included, so that a number that changes keeps its width. */
export function lossText(value: number): string {
  const size = Math.abs(value);
  return Number.isFinite(value) && size >= 1e-3 && size < 1e4 ? value.toPrecision(4) : significant(value, 4);
}

/** Bytes in binary units: 1.5 GiB. */
export function bytes(value: number): string {
  if (!Number.isFinite(value)) return '–';
  let size = value;
  for (const unit of ['B', 'KiB', 'MiB', 'GiB', 'TiB']) {
    if (Math.abs(size) < 1024 || unit === 'TiB') return `${unit === 'B' ? size : significant(size, 3)} ${unit}`;
    size /= 1024;
  }
  return '–';
}

/** A share of one: 42%. */
export function percent(share: number): string {
  return Number.isFinite(share) ? `${share > 0 && share < 0.1 ? (share * 100).toFixed(1) : Math.round(share * 100)}%` : '–';
}
