import type { Job } from '../api/types';

/** A step and when it was taken, by the coordinator's clock. */
export interface Seen {
  step: number;
  /** Unix milliseconds. */
  time: number;
}

const windowMilliseconds = 5 * 60_000;
const leastMilliseconds = 10_000;
const apartMilliseconds = 2000;

/** Takes note of a step: `seen` is what was returned before. Steps of the last minutes are kept, and always two. */
export function observe(seen: readonly Seen[], { step, time }: Seen): readonly Seen[] {
  const last = seen.at(-1);
  if (!Number.isFinite(time) || (last && step === last.step)) return seen;
  if (!last || step < last.step || time < last.time) return [{ step, time }];
  const before = seen.at(-2);
  const kept = before && time - before.time < apartMilliseconds ? seen.slice(0, -1) : seen;
  const first = kept.findIndex((one) => time - one.time <= windowMilliseconds);
  return [...kept.slice(first < 0 ? -1 : first), { step, time }];
}

/** Steps a millisecond over the last minutes; NaN while too little was seen. */
export function speed(seen: readonly Seen[]): number {
  const first = seen[0];
  const last = seen.at(-1);
  if (!first || !last || last.time - first.time < leastMilliseconds) return NaN;
  return (last.step - first.step) / (last.time - first.time);
}

/** Milliseconds until a job that runs will have done its steps; NaN where nobody can tell. */
export function remaining(job: Job, seen: readonly Seen[]): number {
  if (job.state !== 'running' || job.totalSteps <= 0) return NaN;
  return Math.max(0, job.totalSteps - job.committedStep) / speed(seen);
}

/** How much of a job is done, of one. */
export function share(job: Job): number {
  return job.totalSteps > 0 ? Math.min(1, job.committedStep / job.totalSteps) : 0;
}

/** What was seen of each job and generation: a new one may be faster, and no time passes for it while the job is paused. */
const known = new Map<string, { generation: string; seen: readonly Seen[] }>();

function seenOf(job: Job): readonly Seen[] {
  const one = known.get(job.id);
  return one?.generation === generationOf(job) ? one.seen : [];
}

function generationOf(job: Job): string {
  return `${job.lineage} ${job.generation}`;
}

/** Takes note of where jobs stand, for `timeLeft`. */
export function watchPace(jobs: readonly Job[]): void {
  for (const job of jobs) {
    const newest = job.lastMetrics;
    if (job.state !== 'running') known.delete(job.id);
    else if (newest?.at && newest.lineage === job.lineage && newest.generation === job.generation)
      known.set(job.id, { generation: generationOf(job), seen: observe(seenOf(job), { step: newest.step, time: Date.parse(newest.at) }) });
  }
}

/**
 * Takes earlier steps of a job's generation over, for those who have not watched it for long.
 * @param steps Rising.
 * @param times When each was taken, in Unix milliseconds.
 * @param from The generation's first step.
 */
export function recallPace(job: Job, steps: readonly number[], times: readonly number[], from: number): void {
  const now = seenOf(job);
  const until = now[0]?.time ?? Infinity;
  let start = steps.length;
  while (start > 0 && steps[start - 1]! >= from && (times.at(-1)! - times[start - 1]!) <= windowMilliseconds) start--;
  if (job.state !== 'running' || !(times[start]! < until)) return;
  let seen: readonly Seen[] = [];
  for (let i = start; i < steps.length && times[i]! < until; i++) seen = observe(seen, { step: steps[i]!, time: times[i]! });
  for (const one of now) seen = observe(seen, one);
  known.set(job.id, { generation: generationOf(job), seen });
}

/** Milliseconds until a job will be done, by its steps of the last minutes; NaN where nobody can tell. */
export function timeLeft(job: Job): number {
  return remaining(job, seenOf(job));
}
