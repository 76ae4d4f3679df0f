import type { Num } from '../api/types';
import { number } from './numbers';

/** A line through values, as the data of an SVG path; gaps where a value is not finite. */
export interface Line {
  line: string;
  /** The area under it; empty where the line has gaps. */
  area: string;
  /** The last point. */
  end: { x: number; y: number } | null;
}

/** Fits values into a drawing of a width and height, with room for a margin around. */
export function linePath(values: readonly Num[], width: number, height: number, margin = 2): Line {
  const numbers = values.map(number);
  const finite = numbers.filter(Number.isFinite);
  if (finite.length === 0) return { line: '', area: '', end: null };
  const low = Math.min(...finite);
  const range = Math.max(...finite) - low;
  const step = numbers.length > 1 ? (width - 2 * margin) / (numbers.length - 1) : 0;
  const round = (value: number): number => Math.round(value * 10) / 10;
  const at = (value: number, i: number): { x: number; y: number } => ({
    x: round(margin + i * step),
    y: round(range === 0 ? height / 2 : height - margin - ((value - low) / range) * (height - 2 * margin)),
  });
  let line = '';
  let pen = false;
  let end: Line['end'] = null;
  numbers.forEach((value, i) => {
    if (Number.isFinite(value)) {
      end = at(value, i);
      line += `${pen ? 'L' : 'M'}${end.x} ${end.y}`;
    }
    pen = Number.isFinite(value);
  });
  const whole = finite.length === numbers.length && finite.length > 1;
  return { line, area: whole ? `${line}V${height}H${margin}Z` : '', end };
}
