import { useEffect } from 'preact/hooks';
import { ApiError } from '../api/client';
import { ErrorMessage, Message, Skeleton } from '../components/Messages';
import { percent } from '../format/numbers';
import { share } from '../jobs/pace';
import { go, location_, parts } from '../router';
import { useTitle } from '../title';
import { FailureCard, PreparingCard, ResultCard } from './job/Cards';
import { Checkpoints } from './job/Checkpoints';
import { File } from './job/File';
import { Head } from './job/Head';
import { History } from './job/History';
import { Logs } from './job/Logs';
import { Overview } from './job/Overview';
import { Ranks } from './job/Ranks';
import { type JobView, useJobView } from './job/view';
import type { Run } from '../charts/run';

const tabs = [
  { path: '', name: 'Overview' },
  { path: 'ranks', name: 'Ranks' },
  { path: 'logs', name: 'Logs' },
  { path: 'checkpoints', name: 'Checkpoints' },
  { path: 'history', name: 'History' },
  { path: 'file', name: 'Job file' },
] as const;

/** Everything about a job. */
export default function Job() {
  const id = parts.value[1] ?? '';
  return <OneJob key={id} id={id} />;
}

function OneJob({ id }: { id: string }) {
  const { view, run } = useJobView(id);
  const details = view.details.value;
  const job = details?.job;
  useTitle(job?.name ?? 'Job', job?.state === 'running' ? percent(share(job)) : '');
  useEffect(() => {
    // Asked for by its name: from here on it goes by its id.
    if (job && job.id !== id) go(location_.value.path.replace(/^\/jobs\/[^/]+/, `/jobs/${job.id}`) + location_.value.search, 'replace');
  }, [job?.id]);
  if (!details) {
    if (view.error.value) return <NotLoaded id={id} error={view.error.value} retry={() => void view.fetch()} />;
  }
  const tab = parts.value[2] ?? '';
  return (
    <article class="job">
      {details ? <Head view={view} details={details} run={run} /> : <Skeleton lines={2} />}
      <nav class="tabs" aria-label="Parts of the job">
        {tabs.map(({ path, name }) => (
          <a key={path} href={`/jobs/${encodeURIComponent(id)}${path ? `/${path}` : ''}`} {...(tab === path ? { 'aria-current': 'page' as const } : {})}>
            {name}{details && path === 'ranks' && details.ranks.length > 0 && <span class="count number">{details.ranks.length}</span>}
          </a>
        ))}
      </nav>
      <Tab tab={tab} id={id} view={view} run={run} />
    </article>
  );
}

function NotLoaded({ id, error, retry }: { id: string; error: unknown; retry: () => void }) {
  const missing = error instanceof ApiError && error.problem.status === 404;
  return (
    <>
      <div class="page-head"><h1>{id}</h1></div>
      {missing
        ? <Message title="There is no such job"><p>No job has the id or the name <code>{id}</code>. It may have been deleted.</p><a class="button primary" href="/">Go to the jobs</a></Message>
        : <ErrorMessage error={error} retry={retry} />}
    </>
  );
}

function Tab({ tab, id, view, run }: { tab: string; id: string; view: JobView; run: Run }) {
  const details = view.details.value;
  if (tab === '') {
    return (
      <>
        {details && <PreparingCard details={details} />}
        {details && <ResultCard details={details} />}
        {details && <FailureCard details={details} />}
        <Overview view={view} run={run} />
      </>
    );
  }
  if (tab === 'logs') return <Logs id={id} details={details} />;
  if (!details) return <Skeleton />;
  switch (tab) {
    case 'ranks': return <Ranks view={view} details={details} />;
    case 'checkpoints': return <Checkpoints view={view} details={details} run={run} />;
    case 'history': return <History details={details} />;
    case 'file': return <File details={details} />;
    default: return <Message title="There is no such page"><p>A job has no part that is called <code>{tab}</code>.</p><a class="button primary" href={`/jobs/${encodeURIComponent(id)}`}>Go to the job</a></Message>;
  }
}
