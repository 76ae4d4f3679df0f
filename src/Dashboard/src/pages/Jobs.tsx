import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api } from '../api/client';
import { connections } from '../api/stream';

import { Icon } from '../components/Icon';
import { Message, Skeleton } from '../components/Messages';
import { readSort } from '../components/Table';
import { toastError } from '../components/Toasts';
import { count } from '../format/numbers';
import { type Filter, fits, liveJobs, listQuery, ordered, readStates } from '../jobs/list';
import { query, setQuery } from '../router';
import { session } from '../session';
import { addJobs, jobs, summary, useJobs } from '../stores/live';
import { useTitle } from '../title';
import { JobFilters } from './jobs/Filters';
import { useRowKeys } from './jobs/rowKeys';
import { Selection } from './jobs/Selection';
import { Summary } from './jobs/Summary';
import { JobTable } from './jobs/JobTable';

/** All jobs, live. */
export default function Jobs() {
  useJobs();
  const running = summary.value?.jobs.find((one) => one.state === 'running')?.count ?? 0;
  useTitle('Jobs', running > 0 ? `${running} running` : '');
  const filter: Filter = { states: readStates(query.value.get('state')), text: query.value.get('q') ?? '', owner: query.value.get('owner') ?? '' };
  const sort = readSort(query.value.get('sort'), { by: 'age', descending: false });
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const older = useOlder(filter, sort.by, sort.descending);
  const shown = useMemo(
    () => ordered([...(jobs.value?.values() ?? [])].filter((job) => fits(job, filter)), sort.by, sort.descending),
    [jobs.value, filter.states.join(), filter.text, filter.owner, sort.by, sort.descending],
  );
  const lastTicked = useRef<string | null>(null);
  const select = (id: string, on: boolean, range: boolean): void => {
    const ids = shown.map((job) => job.id);
    const from = range && lastTicked.current ? ids.indexOf(lastTicked.current) : -1;
    const to = ids.indexOf(id);
    const touched = from < 0 ? [id] : ids.slice(Math.min(from, to), Math.max(from, to) + 1);
    lastTicked.current = id;
    setSelected((before) => {
      const next = new Set(before);
      for (const one of touched) if (on) next.add(one); else next.delete(one);
      return next;
    });
  };
  useRowKeys(select);
  const chosen = shown.filter((job) => selected.has(job.id));
  return (
    <>
      <div class="page-head">
        <h1>Jobs</h1>
        {session.may('submitter') && <div class="end"><a class="button primary" href="/submit"><Icon name="plus" />Submit a job</a></div>}
      </div>
      <Summary />
      {jobs.value === null ? <Skeleton lines={6} /> : jobs.value.size === 0 ? <FirstJob /> : (
        <>
          <JobFilters filter={filter} />
          <JobTable jobs={shown} sort={sort} selected={selected} select={select} selectAll={(on) => setSelected(on ? new Set(shown.map((job) => job.id)) : new Set())} />
          {shown.length === 0 && !older.busy && <Nothing filter={filter} />}
          <p class="table-foot muted">
            <span class="number">{count(shown.length)} {shown.length === 1 ? 'job' : 'jobs'}</span>
            {older.more && <button class="button" type="button" disabled={older.busy} onClick={older.load}>{older.busy ? 'Loading…' : 'Load more'}</button>}
          </p>
          {chosen.length > 0 && <Selection jobs={chosen} clear={() => setSelected(new Set())} />}
        </>
      )}
    </>
  );
}

// The stream begins with the newest jobs; where there are more, the filter is put to the coordinator as well.
function useOlder(filter: Filter, by: string, descending: boolean): { more: boolean; busy: boolean; load: () => void } {
  const known = jobs.value?.size ?? 0;
  const total = (summary.value?.jobs ?? []).reduce((sum, one) => sum + one.count, 0);
  const incomplete = known >= liveJobs && total > known;
  const wanted = listQuery(filter, by, descending);
  const key = JSON.stringify(wanted);
  const token = useRef('');
  const current = useRef<AbortController | null>(null);
  const [state, setState] = useState({ more: false, busy: false });
  const load = (): void => {
    current.current?.abort();
    const mine = (current.current = new AbortController());
    setState((before) => ({ ...before, busy: true }));
    api.jobs({ ...wanted, pageToken: token.current }, mine.signal).then(
      (page) => {
        token.current = page.nextPageToken;
        const fresh = page.jobs.some((job) => !jobs.value?.has(job.id));
        addJobs(page.jobs);
        // A page that the stream has brought already is passed over.
        if (!fresh && token.current) load();
        else setState({ more: token.current !== '', busy: false });
      },
      (error: unknown) => {
        if (mine.signal.aborted) return;
        toastError(error);
        setState((before) => ({ ...before, busy: false }));
      },
    );
  };
  useEffect(() => {
    token.current = '';
    if (incomplete) load();
    else setState({ more: false, busy: false });
  }, [key, incomplete, connections.value]);
  useEffect(() => () => current.current?.abort(), []);
  return { ...state, load };
}

function FirstJob() {
  return (
    <div class="card">
      <Message title="No job yet">
        <p>A job trains one model: its job file says on which texts, of what shape, and for how many steps.</p>
        {session.may('submitter')
          ? <><p>Write one here, from an example, or submit a file from a terminal:</p><pre class="command">./linformer submit examples/tiny.yaml --watch</pre><p><a class="button primary" href="/submit">Submit the first job</a></p></>
          : <p>Your role may look on. Ask an admin for a token with the role of submitter to submit jobs.</p>}
      </Message>
    </div>
  );
}

function Nothing({ filter }: { filter: Filter }) {
  const words = [filter.states.join(' or '), filter.text && `named “${filter.text}”`, filter.owner && `of ${filter.owner}`].filter(Boolean).join(', ');
  return <Message title="No job fits"><p>There is none that is {words}.</p><button class="button" type="button" onClick={() => setQuery({ state: '', q: '', owner: '' })}>Show all jobs</button></Message>;
}

