import type { Job, JobState, StreamEvents } from '../api/types';
import { sortBy } from '../components/Table';
import { who } from '../format/people';
import { number } from '../format/numbers';
import { share } from './pace';

export const states: readonly JobState[] = ['running', 'preparing', 'queued', 'paused', 'succeeded', 'failed', 'cancelled'];

/** The most jobs that the stream's first message has. */
export const liveJobs = 200;

/** What the list shows. */
export interface Filter {
  states: readonly JobState[];
  text: string;
  owner: string;
}

/** Takes a message of the stream over. Older jobs than those of a full message stay: they were loaded page by page. */
export function merged(jobs: ReadonlyMap<string, Job>, event: StreamEvents['jobs']): Map<string, Job> {
  const result = new Map(jobs);
  if (event.full) {
    const oldest = event.jobs.length < liveJobs ? '' : event.jobs.reduce((least, job) => ((job.submittedAt ?? '') < least ? job.submittedAt ?? '' : least), '~');
    for (const [id, job] of jobs) if ((job.submittedAt ?? '') >= oldest) result.delete(id);
  }
  for (const job of event.jobs) result.set(job.id, withLine(job, jobs.get(job.id)));
  for (const id of event.removed ?? []) result.delete(id);
  return result;
}

// A message without a line says nothing about it.
function withLine(job: Job, before: Job | undefined): Job {
  return job.lossLine.length === 0 && job.committedStep > 0 && before ? { ...job, lossLine: before.lossLine } : job;
}

/** The states that a query's text names; unknown ones are left out. */
export function readStates(text: string | null): JobState[] {
  const named = (text ?? '').split(',');
  return states.filter((state) => named.includes(state));
}

/** Whether a job is to be shown; its state is left out of account if the filter names none. */
export function fits(job: Job, filter: Filter): boolean {
  return (filter.states.length === 0 || filter.states.includes(job.state)) && fitsBesidesState(job, filter);
}

/** Whether a job fits, whatever its state. */
export function fitsBesidesState(job: Job, { text, owner }: Filter): boolean {
  const wanted = text.toLowerCase();
  return (!owner || who(job.submitter) === owner) && (!wanted || job.name.toLowerCase().includes(wanted) || job.id.toLowerCase().includes(wanted));
}

/** Why a job is in its state, without the state's own word before it: `paused; too long` is `too long`. */
export function reasonBesides({ reason, state, pending }: Pick<Job, 'reason' | 'state' | 'pending'>): string {
  const shown = [state, pending].find((word) => word && (reason === word || new RegExp(`^${word}[;:,] `).test(reason)));
  return shown ? reason.slice(shown.length + 1).trimStart() : reason;
}

const values: Record<string, (job: Job) => number | string> = {
  name: (job) => job.name,
  state: (job) => states.indexOf(job.state),
  progress: share,
  loss: (job) => number(job.lastMetrics?.loss),
  tokens: (job) => (job.state === 'running' ? number(job.lastMetrics?.tokensPerSecond) : NaN),
  ranks: (job) => job.ranksLeft ?? job.worldSize,
  age: (job) => -Date.parse(job.submittedAt ?? ''),
  owner: (job) => who(job.submitter),
  priority: (job) => job.priority,
};

/** Orders jobs by a column. */
export function ordered(jobs: readonly Job[], by: string, descending: boolean): Job[] {
  return sortBy(jobs, values[by] ?? values['age']!, descending);
}

/** The query of the API that finds among all jobs what the filter shows of those that are here. */
export function listQuery(filter: Filter, by: string, descending: boolean): Record<string, string | number | boolean | readonly string[]> {
  const order = { name: 'name', owner: 'submitter', state: 'state', priority: 'priority' }[by];
  // An order's own direction is newest, highest, or A first.
  const natural = by === 'priority';
  return {
    state: filter.states,
    name: filter.text,
    submitter: filter.owner,
    pageSize: 100,
    lossLinePoints: 40,
    ...(order ? { order } : {}),
    ...((order ? descending !== natural : by === 'age' && descending) ? { reverse: true } : {}),
  };
}
