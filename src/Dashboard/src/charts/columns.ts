import { align, type Aligned } from './align';
import type { ChartSeries, Drawing } from './model';
import { smooth, weightOf } from './smoothing';

/** What a column of the drawing's data is of its series. */
export type Part = 'low' | 'high' | 'raw' | 'line';

/** The data as it is drawn: aligned columns, and what each is. */
export interface Columns {
  data: Aligned;
  /** For each column but the first: the series and the part. */
  of: readonly { series: number; part: Part }[];
  /** For each series the places of values that are not finite. */
  bad: readonly (readonly number[])[];
}

type Values = readonly (number | null)[];

/** Brings a drawing's series over the same places, smoothed, stacked and with gaps. */
export function columnsOf(drawing: Pick<Drawing, 'series' | 'kind' | 'log' | 'smoothing'> & Partial<Pick<Drawing, 'hidden'>>): Columns {
  if (drawing.kind === 'stacked') return stacked(drawing.series, drawing.hidden);
  const weight = drawing.kind === 'line' ? weightOf(drawing.smoothing) : 0;
  const of: { series: number; part: Part }[] = [];
  const bad: number[][] = [];
  const curves = drawing.series.map((series, i) => {
    const kept = series.sparse ? measured(series) : series;
    const drawable = (value: number): number | null => (Number.isFinite(value) && (!drawing.log || value > 0) ? value : null);
    const raw = kept.mean.map(drawable);
    const columns: Values[] = [];
    const take = (part: Part, values: Values): void => {
      of.push({ series: i, part });
      columns.push(values);
    };
    if (kept.min && kept.max && hasBand(kept.min, kept.max)) {
      take('low', kept.min.map((value, at) => drawable(value) ?? raw[at] ?? null));
      take('high', kept.max.map((value, at) => drawable(value) ?? raw[at] ?? null));
    }
    if (weight > 0) take('raw', raw);
    take('line', weight > 0 ? smoothed(kept, raw, weight, drawable) : raw);
    bad.push(kept.x.filter((_, at) => isBad(kept, at)));
    return { x: kept.x, columns };
  });
  return { data: align(curves), of, bad };
}

function smoothed({ smoothing }: ChartSeries, raw: Values, weight: number, drawable: (value: number) => number | null): Values {
  const before = smoothing?.before;
  if (!before) return smooth(raw, weight, smoothing?.at);
  return smooth([...before.mean.map(drawable), ...raw], weight, [...before.at, ...smoothing.at]).slice(before.at.length);
}

/** Whether the value of a place is there and not finite, or any that it stands for; what a sparse curve has no value of is none. */
export function isBad({ mean, min, max, sparse }: ChartSeries, i: number): boolean {
  const infinite = (value: number | undefined): boolean => value === Infinity || value === -Infinity;
  return infinite(mean[i]) || infinite(min?.[i]) || infinite(max?.[i]) || (!sparse && !Number.isFinite(mean[i]));
}

/** The newest value that is there, finite or not; undefined where there is none. */
export function newestOf(series: ChartSeries): number | undefined {
  for (let i = series.mean.length - 1; i >= 0; i--) if (Number.isFinite(series.mean[i]) || isBad(series, i)) return series.mean[i];
  return undefined;
}

/** Only the places where something was measured. */
function measured(series: ChartSeries): ChartSeries {
  const keep = series.mean.map((value, i) => (Number.isFinite(value) || isBad(series, i) ? i : -1)).filter((i) => i >= 0);
  if (keep.length === series.mean.length) return series;
  const pick = (values: readonly number[]): number[] => keep.map((i) => values[i]!);
  return { ...series, x: pick(series.x), mean: pick(series.mean), ...(series.smoothing ? { smoothing: { ...series.smoothing, at: pick(series.smoothing.at) } } : {}), ...(series.min && series.max ? { min: pick(series.min), max: pick(series.max) } : {}) };
}

function hasBand(min: readonly number[], max: readonly number[]): boolean {
  return min.some((value, i) => max[i]! > value);
}

// Each series on top of those before it; they share their places. The topmost is first, so that the others are drawn over it.
function stacked(series: readonly ChartSeries[], hidden?: ReadonlySet<string>): Columns {
  const x = series[0]?.x ?? [];
  const sums: number[][] = [];
  let below = x.map(() => 0);
  for (const one of series) {
    if (!hidden?.has(one.id)) below = below.map((sum, i) => sum + (Number.isFinite(one.mean[i]) ? one.mean[i]! : 0));
    sums.push(below);
  }
  const order = series.map((_, i) => series.length - 1 - i);
  return {
    data: [[...x], ...order.map((i) => sums[i]!)],
    of: order.map((i) => ({ series: i, part: 'line' as const })),
    bad: series.map(() => []),
  };
}

/**
 * The values between which an axis shows all lines, and bands but for their farthest hundredth: a single spike does not flatten the rest.
 * @param clipped Lines, too, but for their highest hundredth.
 */
export function extent(columns: Columns, shown: (series: number) => boolean, from: number, to: number, clipped = false): [number, number] | null {
  const lines: number[] = [];
  const bands: number[] = [];
  const highest: number[] = [];
  columns.of.forEach(({ series, part }, i) => {
    if (!shown(series)) return;
    const values = columns.data[i + 1]!;
    for (let at = from; at <= to; at++) {
      const value = values[at];
      if (typeof value !== 'number') continue;
      (part === 'low' || part === 'high' ? bands : lines).push(value);
      highest[at - from] = Math.max(highest[at - from] ?? -Infinity, value);
    }
  });
  if (lines.length === 0) return null;
  let low = Infinity;
  let high = -Infinity;
  for (const value of lines) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (clipped) high = quantile(highest.filter(Number.isFinite), 0.99);
  if (bands.length > 0) {
    low = Math.min(low, quantile(bands, 0.01));
    high = Math.max(high, quantile(bands, 0.99));
  }
  return [low, high];
}

// The value that so great a part of them is not above.
function quantile(values: number[], share: number): number {
  values.sort((a, b) => a - b);
  return values[Math.min(values.length - 1, Math.floor(values.length * share))]!;
}
