import type { LogLine } from '../../api/types';

/** Lines in order without gaps, of which the oldest go when there are too many. */
export interface LogBuffer {
  readonly lines: readonly LogLine[];
  /** There are older lines that were not fetched, or were let go. */
  readonly older: boolean;
  /** There are newer ones that were not fetched: the end of these is not the end of the log. */
  readonly newer: boolean;
}

export const noLines: LogBuffer = { lines: [], older: false, newer: false };

/** Adds newer lines at the end. */
export function after(buffer: LogBuffer, more: readonly LogLine[], most: number): LogBuffer {
  const end = buffer.lines.at(-1)?.sequence ?? 0;
  const fresh = more.filter((line) => line.sequence > end);
  if (fresh.length === 0) return buffer;
  const lines = [...buffer.lines, ...fresh];
  return lines.length > most ? { ...buffer, lines: lines.slice(lines.length - most), older: true } : { ...buffer, lines };
}

/** Adds older lines at the beginning; then the newest go. */
export function before(buffer: LogBuffer, more: readonly LogLine[], older: boolean, most: number): LogBuffer {
  const start = buffer.lines[0]?.sequence ?? Infinity;
  const lines = [...more.filter((line) => line.sequence < start), ...buffer.lines];
  return lines.length > most ? { lines: lines.slice(0, most), older, newer: true } : { ...buffer, lines, older };
}

/** Where each line begins, and behind the last where all end, when lines are broken after so many characters. */
export function rowTops(lines: readonly LogLine[], columns: number, rowHeight: number): Float64Array {
  const tops = new Float64Array(lines.length + 1);
  for (let i = 0; i < lines.length; i++) tops[i + 1] = tops[i]! + Math.max(1, Math.ceil(lines[i]!.text.length / columns)) * rowHeight;
  return tops;
}

/** The line at a height: by where lines begin, or with lines of one row each (null). */
export function rowAt(tops: Float64Array | null, top: number, rowHeight: number, count: number): number {
  if (!tops) return Math.max(0, Math.min(count, Math.floor(top / rowHeight)));
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (tops[middle]! <= top) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The first line of a time (Unix milliseconds) or after it; the count of lines if there is none. */
export function lineAt(lines: readonly LogLine[], time: number): number {
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (Date.parse(lines[middle]!.at ?? '') < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
