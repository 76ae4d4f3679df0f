import { signal } from '@preact/signals';
import { useTopic } from '../api/stream';
import type { ClusterSummary, Job, Worker } from '../api/types';
import { merged } from '../jobs/list';
import { watchPace } from '../jobs/pace';

/** The jobs that are known here, by id; null before the first message. */
export const jobs = signal<ReadonlyMap<string, Job> | null>(null);

/** The cluster; null before the first message. */
export const summary = signal<ClusterSummary | null>(null);

/** All workers; null before the first message. */
export const workers = signal<readonly Worker[] | null>(null);

/** Keeps `jobs` up to date while the component is shown. */
export function useJobs(): void {
  useTopic('jobs', () => 'jobs', (event) => {
    watchPace(event.jobs);
    jobs.value = merged(jobs.value ?? new Map(), event);
  }, []);
}

/** Adds jobs that the stream does not begin with. */
export function addJobs(more: readonly Job[]): void {
  jobs.value = merged(jobs.value ?? new Map(), { jobs: [...more] });
}

/** Keeps `summary` up to date while the component is shown; the layout always is. */
export function useSummary(): void {
  useTopic('summary', () => 'summary', (event) => (summary.value = event), []);
}

/** Keeps `workers` up to date while the component is shown. */
export function useWorkers(): void {
  useTopic('workers', () => 'workers', (event) => (workers.value = event.workers), []);
}
