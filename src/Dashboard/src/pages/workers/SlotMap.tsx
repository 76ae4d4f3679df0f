import type { Worker } from '../../api/types';
import { rankOf, stateOf } from './model';

/** All slots of the cluster at a glance: a square each, in the colour of its job. */
export function SlotMap({ workers, colours, jobName }: { workers: readonly Worker[]; colours: ReadonlyMap<string, number>; jobName: (id: string) => string }) {
  if (workers.flatMap((worker) => worker.slots).length < 2) return null;
  return (
    <section class="card slot-map" aria-label="All slots">
      <div class="groups" aria-hidden="true">
        {workers.map((worker) => (
          <div key={worker.name} class={`group ${stateOf(worker)}`} title={`${worker.name}: ${stateOf(worker)}`}>
            {worker.slots.map((slot) => <i key={slot.number} class={slot.jobId ? `c${colours.get(slot.jobId)}` : ''} title={`${worker.name}, slot ${slot.number}: ${slot.jobId ? `${jobName(slot.jobId)}, ${rankOf(slot)}` : 'free'}`} />)}
          </div>
        ))}
      </div>
      <ul class="key">
        {[...colours].slice(0, 12).map(([id, colour]) => <li key={id}><i class={`c${colour}`} /><a href={`/jobs/${encodeURIComponent(id)}`}>{jobName(id)}</a></li>)}
        <li><i />free</li>
        {workers.some((worker) => ['lost', 'unfit'].includes(stateOf(worker))) && <li class="group lost"><i />lost or unfit</li>}
        {workers.some((worker) => stateOf(worker) === 'drained') && <li class="group drained"><i />drained</li>}
      </ul>
    </section>
  );
}
