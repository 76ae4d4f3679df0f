import type { SeriesName } from '../../api/types';
import { type Buckets, coarsen } from '../../charts/buckets';

const fewestBuckets = 100;
const leastMeanSteps = 100;

/** Brings runs to buckets of about the same size, so that none looks noisier for being shorter; one of few steps keeps finer ones. */
export function matched(runs: readonly Buckets[]): Buckets[] {
  const size = Math.max(1, ...runs.map((run) => run.stepsPerBucket));
  return runs.map((run) => {
    let result = run;
    while (result.stepsPerBucket * 2 <= size && result.first.length >= 2 * fewestBuckets) result = coarsen(result);
    return result;
  });
}

/** Steps over which means are taken. */
export interface Span {
  from: number;
  to: number;
}

/** The last steps that all runs have: enough of them that chance does not decide; null while a run has none. */
export function commonSpan(runs: readonly Buckets[]): Span | null {
  const to = Math.min(...runs.map((run) => run.last.at(-1) ?? 0));
  return Number.isFinite(to) && to > 0 ? { from: Math.max(1, to - meanSteps(runs) + 1), to } : null;
}

/** So many of its last steps stand for the end of a run. */
export function meanSteps(runs: readonly Buckets[]): number {
  return Math.max(leastMeanSteps, ...runs.map((run) => 2 * run.stepsPerBucket));
}

/** The mean of a metric over the buckets that end within some steps; NaN where there are none, or where a step of them has a value that is not finite. */
export function meanOver(run: Buckets, name: SeriesName, { from, to }: Span): number {
  const { mean, min, max } = run.columns[name];
  let sum = 0;
  let count = 0;
  for (let i = 0; i < run.last.length; i++) {
    if (run.last[i]! < from || run.last[i]! > to) continue;
    if (!Number.isFinite(min[i]!) || !Number.isFinite(max[i]!)) return NaN;
    sum += mean[i]! * run.count[i]!;
    count += run.count[i]!;
  }
  return count > 0 ? sum / count : NaN;
}

/** The least held-out loss and its step, up to a bucket's size; null where there is none. */
export function bestHeldOut(run: Buckets): { loss: number; step: number } | null {
  let best: { loss: number; step: number } | null = null;
  run.columns.heldOutLoss.min.forEach((loss, i) => {
    if (Number.isFinite(loss) && (!best || loss < best.loss)) best = { loss, step: run.last[i]! };
  });
  return best;
}
