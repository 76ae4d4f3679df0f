import { useEffect, useState } from 'preact/hooks';
import { api } from '../../api/client';
import { connections } from '../../api/stream';
import type { JobDetails } from '../../api/types';
import { jobs } from '../../stores/live';

export interface Details {
  /** By what was asked for, a name or an id. */
  jobs: ReadonlyMap<string, JobDetails>;
  /** Why others could not be loaded. */
  errors: ReadonlyMap<string, unknown>;
}

/** The details of several jobs, as far as they are here; loaded again when a job's state changes, since results come with its end. */
export function useDetails(asked: readonly string[]): Details {
  const [loaded, setLoaded] = useState<Details>({ jobs: new Map(), errors: new Map() });
  const load = (ids: readonly string[]): (() => void) => {
    const abort = new AbortController();
    for (const id of ids) {
      api.job(id, abort.signal).then(
        (job) => setLoaded((before) => ({ jobs: new Map(before.jobs).set(id, job), errors: without(before.errors, id) })),
        (error: unknown) => abort.signal.aborted || setLoaded((before) => ({ ...before, errors: new Map(before.errors).set(id, error) })),
      );
    }
    return () => abort.abort();
  };
  // The first connection comes after the first loading.
  useEffect(() => load(asked), [asked.join('\n'), Math.max(1, connections.value)]);
  const changed = asked.filter((id) => {
    const job = loaded.jobs.get(id)?.job;
    const live = job && jobs.value?.get(job.id);
    return live && live.state !== job.state;
  });
  useEffect(() => load(changed), [changed.join('\n')]);
  return loaded;
}

function without<T>(map: ReadonlyMap<string, T>, key: string): ReadonlyMap<string, T> {
  return new Map([...map].filter(([other]) => other !== key));
}
