import type { Slot, Worker } from '../../api/types';
import { api } from '../../api/client';
import { Bar } from '../../components/Bar';
import { confirm } from '../../components/Dialog';
import { toast, toastError } from '../../components/Toasts';
import { bytes, count, percent } from '../../format/numbers';
import { ago, full, since } from '../../format/times';
import { session } from '../../session';
import { aboutSlot, busy, memoryShare, rankOf, stateOf, toneOf, tones } from './model';

/** A worker: its machine, its slots and what runs there. */
export function WorkerCard({ worker, colours, jobName }: { worker: Worker; colours: ReadonlyMap<string, number>; jobName: (id: string) => string }) {
  const state = stateOf(worker);
  const load = worker.alive ? worker.load : undefined;
  const lost = worker.lostMetricPoints + worker.lostLogLines > 0;
  return (
    <article class={`card worker ${state}`} aria-label={worker.name}>
      <header>
        <h2>{worker.name}</h2>
        <span class={`badge ${tones[state]}`}>{state}</span>
        <span class="muted number">{busy(worker)} of {worker.slots.length} in use</span>
        <Drain worker={worker} />
      </header>
      <div class="body">
        {worker.unfit && <p class="notice error">It gets nothing new: {worker.unfit}.</p>}
        {state === 'lost' && <p class="notice error">Nothing was heard of it since <time dateTime={worker.lastSeen} title={full(worker.lastSeen)}>{ago(worker.lastSeen)}</time>; what ran there is given to others.</p>}
        <ul class="slots">{worker.slots.map((slot) => <SlotTile key={slot.number} slot={slot} colour={colours.get(slot.jobId)} jobName={jobName} live={worker.alive} />)}</ul>
        {load && (
          <dl class="loads">
            <div><dt>Processors</dt><dd><Bar share={load.processorPercent / 100} label="Processor load" /><span class="number">{percent(load.processorPercent / 100)} of {load.processors}</span></dd></div>
            <div><dt>Memory</dt><dd><Bar share={memoryShare(worker)} label="Memory in use" tone={toneOf(memoryShare(worker))} /><span class="number">{bytes(load.usedMemoryBytes)} of {bytes(load.memoryBytes)}</span></dd></div>
          </dl>
        )}
      </div>
      <footer>
        <Heartbeat worker={worker} />
        <span title="The machine, and the agent’s process">{worker.host} · process {worker.processId}</span>
        <span title="Where other workers reach its ranks"><code>{worker.address}</code></span>
        <span title={worker.version}>version {worker.version.split('+')[0]}</span>
        {load && <span title="Free on the file system of the shared storage">{bytes(load.freeStorageBytes)} of storage free</span>}
        {lost && <span class="warn" title="Since its agent was started: the coordinator was away for longer than the agent can keep telemetry.">lost {count(worker.lostMetricPoints)} metric points, {count(worker.lostLogLines)} log lines</span>}
      </footer>
    </article>
  );
}

function SlotTile({ slot, colour, jobName, live }: { slot: Slot; colour: number | undefined; jobName: (id: string) => string; live: boolean }) {
  const reading = live ? slot.gpuReading : undefined;
  const memory = reading && slot.gpu ? reading.usedMemoryBytes / slot.gpu.memoryBytes : NaN;
  return (
    <li class={`slot ${slot.jobId ? `used c${colour}` : 'free'}`}>
      <span class="slot-head" title={aboutSlot(slot)}>
        <span>{slot.device === 'cuda' ? 'GPU' : 'CPU'} {slot.number}{slot.bfloat16 && <span class="muted"> bf16</span>}</span>
        {reading && reading.temperature > 0 && <span class="number">{reading.temperature} °C</span>}
      </span>
      {slot.jobId
        ? <a href={`/jobs/${encodeURIComponent(slot.jobId)}`} title={`${jobName(slot.jobId)}, ${rankOf(slot)}`}><strong>{jobName(slot.jobId)}</strong> <span class="muted">{rankOf(slot)}</span></a>
        : <span class="muted">free</span>}
      {reading && (
        <span class="gauges">
          <Bar share={reading.utilization / 100} label={`Load of GPU ${slot.number}`} text={`${reading.utilization}%`} /><span class="number">load {reading.utilization}%</span>
          <Bar share={memory} label={`Memory of GPU ${slot.number}`} tone={toneOf(memory)} /><span class="number">{bytes(reading.usedMemoryBytes)} used</span>
        </span>
      )}
    </li>
  );
}

function Heartbeat({ worker }: { worker: Worker }) {
  const seconds = since(worker.lastSeen) / 1000;
  if (!Number.isFinite(seconds)) return null;
  const words = seconds < 60 ? `${Math.round(seconds)} s` : ago(worker.lastSeen).replace(' ago', '');
  return <span class={seconds > 15 ? 'warn number' : 'number'} title={`Last heartbeat ${full(worker.lastSeen)}; connected since ${full(worker.connectedAt)}`}>heartbeat {words} ago</span>;
}

function Drain({ worker }: { worker: Worker }) {
  if (!session.may('admin') || !worker.alive) return null;
  // An agent that ends drains itself: nobody can take that back.
  if (worker.draining && !worker.drained) return <span class="muted">is about to end</span>;
  const undo = worker.drained;
  const run = async (): Promise<void> => {
    const why = await confirm(undo
      ? { title: `Take the drain of ${worker.name} back?`, text: 'It takes new ranks again at once.', action: 'Take it back', reason: true }
      : { title: `Drain ${worker.name}?`, text: `It gets nothing new, and ${busy(worker) > 0 ? 'the ranks that run there hand over to other workers; a job for which there is no room shrinks, or waits' : 'nothing runs there now'}. This can be taken back.`, action: 'Drain', reason: true });
    if (why === null) return;
    try {
      await api.drain(worker.name, undo, why);
      toast(undo ? `${worker.name} takes new ranks again` : `Draining ${worker.name}`);
    } catch (error) {
      toastError(error);
    }
  };
  return <button class="button small" type="button" onClick={() => void run()}>{undo ? 'Undo drain' : 'Drain'}</button>;
}

