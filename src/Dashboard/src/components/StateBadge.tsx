import type { JobState } from '../api/types';

/** A job's state in its colour and in words. */
export function StateBadge({ state, pending }: { state: JobState; pending?: string }) {
  return <span class={`badge ${state}`}>{pending || state}</span>;
}
