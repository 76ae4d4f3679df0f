import { short } from '../format/numbers';
import { duration } from '../format/times';
import { nearest } from './align';
import type { Buckets } from './buckets';

/** What charts are drawn over; `elapsed` is the time since a run's first step that is shown, so that runs of different days lie over each other. */
export type XAxis = 'step' | 'tokens' | 'time' | 'elapsed';

export const axisNames: Readonly<Record<XAxis, string>> = { step: 'Step', tokens: 'Tokens', time: 'Time', elapsed: 'Time since the first step' };

/** The place of each bucket on an axis; tokens need those of a step. */
export function placesOn(axis: XAxis, buckets: Buckets, tokensPerStep: number): readonly number[] {
  if (axis === 'elapsed') return buckets.at.map((at) => at - buckets.at[0]!);
  return axis === 'time' ? buckets.at : axis === 'tokens' ? buckets.last.map((step) => step * tokensPerStep) : buckets.last;
}

/** The place of a step on an axis, by the buckets around it. */
export function placeOfStep(axis: XAxis, step: number, buckets: Buckets, tokensPerStep: number): number {
  if (axis === 'step') return step;
  if (axis === 'tokens') return step * tokensPerStep;
  if (axis === 'elapsed') return interpolate(buckets.last, buckets.at, step) - buckets.at[0]!;
  return interpolate(buckets.last, buckets.at, step);
}

/** The steps between two places of an axis, outwards. */
export function stepsBetween(axis: XAxis, from: number, to: number, buckets: Buckets, tokensPerStep: number): [number, number] {
  const step = (place: number): number =>
    axis === 'step' ? place : axis === 'tokens' ? place / tokensPerStep
      : interpolate(buckets.at, buckets.last, axis === 'elapsed' ? place + (buckets.at[0] ?? 0) : place);
  return [Math.max(1, Math.floor(step(from))), Math.max(1, Math.ceil(step(to)))];
}

// In a straight line between neighbours; at the ends, the end.
function interpolate(from: readonly number[], to: readonly number[], value: number): number {
  const i = nearest(from, value);
  if (i < 0) return NaN;
  const j = value < from[i]! ? i - 1 : i + 1;
  if (j < 0 || j >= from.length || from[j] === from[i]) return to[i]!;
  return to[i]! + ((value - from[i]!) / (from[j]! - from[i]!)) * (to[j]! - to[i]!);
}

const units = [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const;

/** Ticks of whole numbers in words that tell them apart: a unit where it makes them shorter, with as many digits as their distance asks for. */
export function tickTexts(ticks: readonly number[]): string[] {
  const largest = Math.max(...ticks.map(Math.abs));
  const apart = ticks.length > 1 ? Math.abs(ticks[1]! - ticks[0]!) : largest;
  const [size, unit] = units.find(([one]) => largest >= one && apart >= one / 100) ?? [1, ''];
  const digits = Math.max(0, Math.ceil(Math.log10(size / apart) - 1e-9));
  return ticks.map((tick) => (tick === 0 ? '0' : (tick / size).toLocaleString('en', { maximumFractionDigits: Number.isFinite(digits) ? digits : 0 }) + unit));
}

const clock = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** A place in words, for legends and tables. */
export function placeText(axis: XAxis, place: number): string {
  if (!Number.isFinite(place)) return '–';
  if (axis === 'time') return clock.format(place);
  if (axis === 'tokens') return `${short(place)} tokens`;
  if (axis === 'elapsed') return `after ${duration(place)}`;
  return `step ${Math.round(place).toLocaleString('en')}`;
}

/** How fast it goes at the moment, in milliseconds a step, by the newest twentieth of the steps; NaN while it is not known. */
export function pace(buckets: Buckets): number {
  const end = buckets.last.length - 1;
  if (end < 1) return NaN;
  const start = Math.max(0, Math.min(end - 1, Math.floor(end * 0.95)));
  const steps = buckets.last[end]! - buckets.last[start]!;
  return steps > 0 ? (buckets.at[end]! - buckets.at[start]!) / steps : NaN;
}

// Between steps that are so many times as far apart as usual, and by more than this, the job did not train.
const pauseFactor = 20;
const leastPause = 30_000;

/** For how many milliseconds it has trained, by its steps: without the time in which it was paused or waited; NaN while it is not known. */
export function timeTrained(buckets: Buckets): number {
  const gaps = buckets.at.slice(1).map((at, i) => ({ time: at - buckets.at[i]!, steps: buckets.last[i + 1]! - buckets.last[i]! }));
  const usual = gaps.map((gap) => gap.time / gap.steps).sort((a, b) => a - b)[gaps.length >> 1];
  if (usual === undefined) return NaN;
  return gaps.reduce((sum, { time, steps }) => sum + (time > leastPause && time > pauseFactor * usual * steps ? usual * steps : time), 0);
}

/** Round numbers of a logarithmic axis: powers of ten where it spans many, else those between as well. */
export function logSplits(min: number, max: number): number[] {
  if (!(min > 0) || !(max > min)) return [];
  const decades = Math.log10(max / min);
  if (decades < 0.7) return evenSplits(min, max);
  const factors = decades > 3 ? [1] : decades > 1 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 6, 8];
  const splits: number[] = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.log10(max); power++)
    for (const factor of factors) {
      const split = Number((factor * 10 ** power).toPrecision(3));
      if (split >= min && split <= max) splits.push(split);
    }
  return splits;
}

function evenSplits(min: number, max: number): number[] {
  const wanted = (max - min) / 4;
  const magnitude = 10 ** Math.floor(Math.log10(wanted));
  const step = magnitude * ([1, 2, 5].find((one) => one * magnitude >= wanted) ?? 10);
  const first = Math.ceil(min / step);
  return Array.from({ length: Math.max(0, Math.floor(max / step) - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(6)));
}

// What differs by less looks the same in all digits that are shown; and between numbers that are all but the same there is no room for ticks.
const leastSpread = 1e-6;

/** What an axis of values shows, with some room above and below. */
export function padded(low: number, high: number): [number, number] {
  const largest = Math.max(Math.abs(low), Math.abs(high));
  const pad = high - low > largest * leastSpread ? (high - low) * 0.07 : largest * 0.1 || 0.5;
  return [low - pad, high + pad];
}

/** A part of an axis, moved back into the whole of it; null where it is all of it. */
export function within(part: readonly [number, number], whole: readonly [number, number]): [number, number] | null {
  const width = part[1] - part[0];
  if (!(width < whole[1] - whole[0])) return null;
  const from = Math.min(Math.max(part[0], whole[0]), whole[1] - width);
  return [from, from + width];
}
