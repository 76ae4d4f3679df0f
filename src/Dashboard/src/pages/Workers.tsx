import { Chip, Search } from '../components/Filters';
import { Message, Skeleton } from '../components/Messages';
import { readSort, sortBy } from '../components/Table';
import { query, setQuery } from '../router';
import { jobs, summary, useJobs, useWorkers, workers } from '../stores/live';
import { useTitle } from '../title';
import type { Worker } from '../api/types';
import { WorkerCard } from './workers/Card';
import { busy, finds, jobColours, memoryShare, stateOf, tones, workerStates } from './workers/model';
import { SlotMap } from './workers/SlotMap';

const orders: Record<string, { name: string; value: (worker: Worker) => number | string }> = {
  name: { name: 'Name', value: (worker) => worker.name },
  state: { name: 'State', value: (worker) => -workerStates.indexOf(stateOf(worker)) },
  used: { name: 'Slots in use', value: (worker) => -busy(worker) },
  processor: { name: 'Processor load', value: (worker) => -(worker.load?.processorPercent ?? NaN) },
  memory: { name: 'Memory in use', value: (worker) => -memoryShare(worker) },
  seen: { name: 'Oldest heartbeat', value: (worker) => Date.parse(worker.lastSeen ?? '') },
};

/** All workers, live. */
export default function Workers() {
  useWorkers();
  useJobs();
  const all = workers.value;
  const lost = all?.filter((worker) => !worker.alive).length ?? 0;
  useTitle('Workers', lost > 0 ? `${lost} lost` : '');
  const text = query.value.get('q') ?? '';
  const state = query.value.get('state') ?? '';
  const order = orders[readSort(query.value.get('sort'), { by: 'name', descending: false }).by] ?? orders['name']!;
  const jobName = (id: string): string => jobs.value?.get(id)?.name ?? id;
  const shown = sortBy((all ?? []).filter((worker) => (!state || stateOf(worker) === state) && finds(worker, text, jobName)), order.value, false);
  const colours = jobColours(all ?? []);
  const now = summary.value;
  return (
    <>
      <div class="page-head">
        <h1>Workers</h1>
        {now && now.slots > 0 && <p class="muted number">{now.slots - now.freeSlots} of {now.slots} slots in use{now.gpus > 0 ? `, ${now.gpus} GPUs` : ''}</p>}
      </div>
      {all === null ? <Skeleton lines={6} /> : all.length === 0 ? <FirstWorker /> : (
        <>
          <SlotMap workers={sortBy(all, (worker) => worker.name, false)} colours={colours} jobName={jobName} />
          <div class="filters" role="search" aria-label="Workers">
            <div class="chips">
              <Chip on={!state} count={all.length} onClick={() => setQuery({ state: '' })}>All</Chip>
              {workerStates.map((one) => {
                const count = all.filter((worker) => stateOf(worker) === one).length;
                return (count > 0 || state === one) && <Chip key={one} on={state === one} count={count} tone={tones[one]} onClick={() => setQuery({ state: state === one ? '' : one })}>{one}</Chip>;
              })}
            </div>
            <div class="end">
              <label class="inline">Order <select class="field" value={Object.keys(orders).find((key) => orders[key] === order) ?? 'name'} onChange={(event) => setQuery({ sort: event.currentTarget.value })}>
                {Object.entries(orders).map(([key, one]) => <option key={key} value={key}>{one.name}</option>)}
              </select></label>
              <Search value={text} label="Name, job, GPU, version" onChange={(value) => setQuery({ q: value })} />
            </div>
          </div>
          {shown.length === 0
            ? <Message title="No worker fits"><button class="button" type="button" onClick={() => setQuery({ state: '', q: '' })}>Show all workers</button></Message>
            : <div class="workers">{shown.map((worker) => <WorkerCard key={worker.name} worker={worker} colours={colours} jobName={jobName} />)}</div>}
        </>
      )}
    </>
  );
}

function FirstWorker() {
  return (
    <div class="card">
      <Message title="No worker yet">
        <p>Jobs wait in the queue until a worker offers slots. Start one on every machine that is to train, with the coordinator’s address:</p>
        <pre class="command">./linformer worker --coordinator HOST:PORT --data DIR --join-token-file DIR/coordinator/join-token</pre>
        <p>DIR is the storage that all share; <code>./linformer worker --help</code> tells of slots, addresses and TLS.</p>
      </Message>
    </div>
  );
}
