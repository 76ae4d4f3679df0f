import { useRef } from 'preact/hooks';
import type { JobDetails } from '../api/types';
import { Icon } from '../components/Icon';
import { Message, Skeleton } from '../components/Messages';
import { StateBadge } from '../components/StateBadge';
import { useRuns } from '../charts/run';
import { ago } from '../format/times';
import { labelsOf } from '../jobs/names';
import { go, query } from '../router';
import { jobs, useJobs } from '../stores/live';
import { useTitle } from '../title';
import { CompareCharts } from './compare/Charts';
import { Results, Settings } from './compare/Tables';
import { useDetails } from './compare/useDetails';
import { mostCompared } from './jobs/Selection';

/** Several runs over each other and side by side. */
export default function Compare() {
  useTitle('Compare');
  useJobs();
  const asked = [...new Set(query.value.getAll('job'))].slice(0, mostCompared);
  const { jobs: details, errors } = useDetails(asked);
  // At first all are waited for, so that charts are drawn once; one that is added later joins those that are shown.
  const settled = useRef(false);
  settled.current ||= asked.length > 0 && asked.every((id) => details.has(id) || errors.has(id));
  // What moves on is taken from the stream.
  const shown = asked.flatMap((id): JobDetails[] => {
    const one = details.get(id);
    const live = one && jobs.value?.get(one.job.id);
    return one ? [live ? { ...one, job: live } : one] : [];
  });
  const colours = new Map(shown.map(({ job }) => [job.id, 1 + asked.findIndex((id) => details.get(id)?.job.id === job.id)]));
  const labels = labelsOf(shown.map(({ job }) => job));
  const choose = (ids: readonly string[]): void => {
    const search = new URLSearchParams(window.location.search);
    search.delete('job');
    for (const id of ids) search.append('job', id);
    go(`/compare?${search.toString()}`, 'replace');
  };
  return (
    <>
      <div class="page-head"><h1>Compare</h1></div>
      <ul class="runs" aria-label="Runs">
        {asked.map((id) => (
          <li key={id}>
            <Chosen id={id} details={shown.find(({ job }) => job.id === details.get(id)?.job.id)} error={errors.get(id)} labels={labels} colour={colours.get(details.get(id)?.job.id ?? '')} />
            <button class="button plain square" type="button" aria-label={`Leave ${labels.get(details.get(id)?.job.id ?? '') ?? id} out`} title="Leave it out" onClick={() => choose(asked.filter((other) => other !== id))}><Icon name="close" size={14} /></button>
          </li>
        ))}
        {asked.length < mostCompared && <li><Add asked={asked} add={(id) => choose([...asked, id])} /></li>}
      </ul>
      {asked.length === 0
        ? <Message title="No run chosen"><p>Choose runs above, or tick them in the list of jobs.</p><a class="button" href="/">Go to the jobs</a></Message>
        : !settled.current ? <Skeleton lines={8} /> : shown.length > 0 && (
          <Compared jobs={shown} labels={labels} colours={colours} />
        )}
    </>
  );
}

function Compared({ jobs, labels, colours }: { jobs: readonly JobDetails[]; labels: ReadonlyMap<string, string>; colours: ReadonlyMap<string, number> }) {
  const runs = useRuns(jobs.map(({ job }) => job.id));
  return (
    <>
      <CompareCharts jobs={jobs} runs={runs} labels={labels} colours={colours} />
      <div class="compared">
        <Results jobs={jobs} runs={runs} labels={labels} colours={colours} />
        <Settings jobs={jobs} labels={labels} colours={colours} />
      </div>
    </>
  );
}

function Chosen({ id, details, error, labels, colour }: { id: string; details: JobDetails | undefined; error: unknown; labels: ReadonlyMap<string, string>; colour: number | undefined }) {
  if (!details) return <span class={error ? 'bad' : 'muted'} title={error instanceof Error ? error.message : ''}>{id}{error ? ': not found' : ''}</span>;
  const { job } = details;
  return (
    <>
      <span class={`swatch s${colour}`} />
      <a href={`/jobs/${encodeURIComponent(job.id)}`} title={job.id}>{labels.get(job.id)}</a>
      <StateBadge state={job.state} pending={job.pending} />
    </>
  );
}

function Add({ asked, add }: { asked: readonly string[]; add: (id: string) => void }) {
  const names = labelsOf(jobs.value?.values() ?? []);
  const others = [...(jobs.value?.values() ?? [])].filter((job) => !asked.includes(job.id) && job.committedStep > 0)
    .sort((a, b) => (b.submittedAt ?? '').localeCompare(a.submittedAt ?? ''));
  return (
    <select class="field" aria-label="Add a run" value="" onChange={(event) => event.currentTarget.value && add(event.currentTarget.value)}>
      <option value="">Add a run…</option>
      {others.map((job) => <option key={job.id} value={job.id}>{names.get(job.id)} ({job.state}, {ago(job.submittedAt)})</option>)}
    </select>
  );
}
