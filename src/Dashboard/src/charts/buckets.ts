import type { MetricPoint, MetricRange, Num, SeriesName } from '../api/types';
import { number } from '../format/numbers';

/** The three numbers of each bucket; NaN where it has none. */
export interface Column {
  min: number[];
  mean: number[];
  max: number[];
}

/** Steps brought together into buckets, in order: those of a bucket have the same whole part when divided by its size, as the coordinator's have. Values are never changed in place: a new object tells that something is new. */
export interface Buckets {
  stepsPerBucket: number;
  first: readonly number[];
  last: readonly number[];
  count: readonly number[];
  /** When the last step of each was taken, in Unix milliseconds; it never goes back. */
  at: readonly number[];
  columns: Readonly<Record<SeriesName, Readonly<Column>>>;
}

/** So many buckets a chart is drawn from; live points beyond twice as many are brought together. */
export const pointsShown = 1000;

export const seriesNames: readonly SeriesName[] = ['loss', 'learningRate', 'tokensPerSecond', 'gradientNorm', 'heldOutLoss', 'worldSize'];

/** What not every step has. */
export const rare: ReadonlySet<SeriesName> = new Set(['gradientNorm', 'heldOutLoss']);

export const noBuckets: Buckets = { stepsPerBucket: 1, first: [], last: [], count: [], at: [], columns: emptyColumns() };

function emptyColumns(): Record<SeriesName, Column> {
  return Object.fromEntries(seriesNames.map((name) => [name, { min: [], mean: [], max: [] }])) as unknown as Record<SeriesName, Column>;
}

/** The coordinator's buckets. */
export function fromRange(range: MetricRange): Buckets {
  const columns = emptyColumns();
  const none = range.firstStep.map(() => NaN);
  for (const name of seriesNames) {
    const found = range.series.find((one) => one.name === name);
    const numbers = (values: Num[] | undefined): number[] => values?.map(number) ?? none;
    columns[name] = { min: numbers(found?.min), mean: numbers(found?.mean), max: numbers(found?.max) };
  }
  return {
    stepsPerBucket: Math.max(1, range.stepsPerBucket), first: range.firstStep, last: range.lastStep, count: range.count, at: rising(range.at), columns,
  };
}

/** Adds points of later steps, each to the bucket that its step belongs to; points of steps that are there already replace nothing. */
export function append(buckets: Buckets, points: readonly MetricPoint[], limit: number): Buckets {
  const end = buckets.last.at(-1) ?? 0;
  const later = points.filter((point) => point.step > end).sort((a, b) => a.step - b.step);
  if (later.length === 0) return buckets;
  const grown = copy(buckets);
  for (const point of later) add(grown, point);
  let all: Buckets = grown;
  while (all.first.length > limit) all = coarsen(all);
  return all;
}

/** Forgets what came after a step: training has gone back to it. A bucket that the step lies in is kept up to there. */
export function cutAfter(buckets: Buckets, step: number): Buckets {
  const keep = buckets.first.findIndex((first) => first > step);
  const kept = keep < 0 ? buckets : slice(buckets, keep);
  const end = kept.last.length - 1;
  if (end < 0 || kept.last[end]! <= step) return kept;
  const last = [...kept.last];
  last[end] = step;
  return { ...kept, last };
}

/** The mean over all steps that have a finite value; NaN where none has. */
export function meanOf(buckets: Buckets, name: SeriesName): number {
  let sum = 0;
  let steps = 0;
  buckets.columns[name].mean.forEach((value, i) => {
    if (!Number.isFinite(value)) return;
    sum += value * buckets.count[i]!;
    steps += buckets.count[i]!;
  });
  return steps > 0 ? sum / steps : NaN;
}

/** Twice as many steps in a bucket. */
export function coarsen(buckets: Buckets): Buckets {
  const stepsPerBucket = buckets.stepsPerBucket * 2;
  const out: Growing = { ...mutable(noBuckets), stepsPerBucket };
  for (let i = 0; i < buckets.first.length; i++) {
    const at = out.first.length - 1;
    const same = at >= 0 && Math.floor(out.first[at]! / stepsPerBucket) === Math.floor(buckets.first[i]! / stepsPerBucket);
    if (same) join(out, at, buckets, i);
    else push(out, buckets, i);
  }
  return out;
}

type Growing = { stepsPerBucket: number; first: number[]; last: number[]; count: number[]; at: number[]; columns: Record<SeriesName, Column> };

function mutable(buckets: Buckets): Growing {
  const columns = {} as Record<SeriesName, Column>;
  for (const name of seriesNames) {
    const { min, mean, max } = buckets.columns[name];
    columns[name] = { min: [...min], mean: [...mean], max: [...max] };
  }
  return { stepsPerBucket: buckets.stepsPerBucket, first: [...buckets.first], last: [...buckets.last], count: [...buckets.count], at: [...buckets.at], columns };
}

const copy = mutable;

function slice(buckets: Buckets, end: number): Buckets {
  const columns = {} as Record<SeriesName, Column>;
  for (const name of seriesNames) {
    const { min, mean, max } = buckets.columns[name];
    columns[name] = { min: min.slice(0, end), mean: mean.slice(0, end), max: max.slice(0, end) };
  }
  return {
    stepsPerBucket: buckets.stepsPerBucket, first: buckets.first.slice(0, end), last: buckets.last.slice(0, end),
    count: buckets.count.slice(0, end), at: buckets.at.slice(0, end), columns,
  };
}

function add(to: Growing, point: MetricPoint): void {
  const end = to.first.length - 1;
  const size = to.stepsPerBucket;
  const at = Math.max(to.at[end] ?? 0, point.at ? Date.parse(point.at) : 0);
  const same = end >= 0 && Math.floor(to.first[end]! / size) === Math.floor(point.step / size);
  for (const name of seriesNames) {
    const column = to.columns[name];
    const value = number(point[name]);
    // Of what is measured now and then, NaN would look as if it had not been.
    const most = rare.has(name) && point[name] === 'NaN' ? Infinity : value;
    if (!same) {
      column.min.push(value);
      column.mean.push(Number.isFinite(value) ? value : NaN);
      column.max.push(most);
    } else if (!Number.isNaN(most)) {
      merge(column, end, to.count[end]!, { min: value, mean: value, max: most }, 1);
    }
  }
  if (same) {
    to.last[end] = point.step;
    to.count[end]! += 1;
    to.at[end] = at;
  } else {
    to.first.push(point.step);
    to.last.push(point.step);
    to.count.push(1);
    to.at.push(at);
  }
}

function push(to: Growing, from: Buckets, i: number): void {
  to.first.push(from.first[i]!);
  to.last.push(from.last[i]!);
  to.count.push(from.count[i]!);
  to.at.push(from.at[i]!);
  for (const name of seriesNames) {
    to.columns[name].min.push(from.columns[name].min[i]!);
    to.columns[name].mean.push(from.columns[name].mean[i]!);
    to.columns[name].max.push(from.columns[name].max[i]!);
  }
}

function join(to: Growing, at: number, from: Buckets, i: number): void {
  for (const name of seriesNames) {
    const { min, mean, max } = from.columns[name];
    merge(to.columns[name], at, to.count[at]!, { min: min[i]!, mean: mean[i]!, max: max[i]! }, from.count[i]!);
  }
  to.last[at] = from.last[i]!;
  to.count[at]! += from.count[i]!;
  to.at[at] = from.at[i]!;
}

function merge(column: Column, i: number, count: number, other: { min: number; mean: number; max: number }, otherCount: number): void {
  column.min[i] = least(column.min[i]!, other.min);
  column.max[i] = -least(-column.max[i]!, -other.max);
  const mean = column.mean[i]!;
  if (!Number.isFinite(other.mean)) return;
  column.mean[i] = Number.isFinite(mean) ? (mean * count + other.mean * otherCount) / (count + otherCount) : other.mean;
}

// NaN counts only where there is nothing else.
function least(a: number, b: number): number {
  return Number.isNaN(a) ? b : Number.isNaN(b) ? a : Math.min(a, b);
}

function rising(at: readonly number[]): number[] {
  let newest = -Infinity;
  return at.map((one) => (newest = Math.max(newest, one)));
}
