import type { SeriesName } from '../api/types';
import { fillsSequences, taskOf } from '../jobs/task';
import { placesOn, type XAxis } from './axes';
import { type Buckets, pointsShown, rare } from './buckets';
import type { ChartSeries, Colour, SmoothingPlaces } from './model';

/** How many steps apart values are that smoothing's weight is for: so that a slider does the same to long runs as to short ones, zoomed into or not. */
export function smoothingDistance(runs: readonly Buckets[]): number {
  return Math.max(1, ...runs.map((run) => ((run.last.at(-1) ?? 0) - (run.first[0] ?? 0)) / pointsShown));
}

/**
 * A column of a run as a chart's curve.
 * @param whole The run that the buckets are of, or a part of.
 * @param distance What `smoothingDistance` says.
 */
export function curveOf(
  buckets: Buckets, name: SeriesName, axis: XAxis, tokensPerStep: number, as: { id: string; label: string; colour: Colour }, whole: Buckets, distance: number, map?: (value: number) => number,
): ChartSeries {
  const { min, max, ...column } = buckets.columns[name];
  const x = placesOn(axis, buckets, tokensPerStep);
  // Of a number of ranks the least is shown: it is a whole number, and no loss is missed.
  const counted = name === 'worldSize';
  const mean = counted ? min : column.mean;
  const banded = buckets.stepsPerBucket > 1 && !counted;
  return {
    ...as, x, mean: map ? mean.map(map) : mean, smoothing: smoothingOf(buckets, name, whole, distance, map),
    ...(banded ? { min: map ? min.map(map) : min, max: map ? max.map(map) : max } : {}),
    ...(rare.has(name) ? { sparse: true } : {}),
  };
}

function smoothingOf(buckets: Buckets, name: SeriesName, whole: Buckets, distance: number, map?: (value: number) => number): SmoothingPlaces {
  const at = buckets.last.map((step) => step / distance);
  const first = buckets.first[0];
  if (whole === buckets || first === undefined) return { at };
  const until = whole.last.findIndex((last) => last >= first);
  const mean = whole.columns[name].mean.slice(0, Math.max(0, until));
  return { at, before: { at: whole.last.slice(0, mean.length).map((step) => step / distance), mean: map ? mean.map(map) : mean } };
}

/** The perplexity of a mean loss in nats. */
export function perplexity(loss: number): number {
  return Math.exp(loss);
}

/** How many tokens go into a step, by the resolved job file; NaN where it does not tell, and where texts have lengths of their own. */
export function tokensPerStep(jobFile: Record<string, unknown>): number {
  const number = (section: unknown, name: string): number => {
    const value = typeof section === 'object' && section !== null ? (section as Record<string, unknown>)[name] : undefined;
    return typeof value === 'number' ? value : NaN;
  };
  if (!fillsSequences(taskOf(jobFile))) return NaN;
  return number(jobFile['training'], 'globalBatch') * number(jobFile['model'], 'sequenceLength');
}
