import { downloads } from '../../api/client';
import type { Checkpoint, JobDetails } from '../../api/types';
import { perplexity } from '../../charts/curves';
import type { Run } from '../../charts/run';
import { Icon } from '../../components/Icon';
import { Message, Skeleton } from '../../components/Messages';
import { useState } from 'preact/hooks';
import { bytes, count, lossText } from '../../format/numbers';
import { ago, full } from '../../format/times';
import { mayChange } from '../../jobs/actions';
import { GoBackDialog } from './GoBack';
import { LineageGraph } from './LineageGraph';
import { heldOutAt, lanesOf, reachOf, withReach } from './lineage';
import type { JobView } from './view';

/** The job's checkpoints: which lineage each belongs to, and going back to one. */
export function Checkpoints({ view, details, run }: { view: JobView; details: JobDetails; run: Run }) {
  const { job } = details;
  const [chosen, setChosen] = useState<Checkpoint | null>(null);
  const [deleted, setDeleted] = useState(false);
  const [pointed, setPointed] = useState<string | null>(null);
  const all = view.checkpoints.value;
  if (!all) return <Skeleton />;
  if (all.length === 0) return <Message title="No checkpoints yet"><p>The first is written at the step that <code>training.checkpointEvery</code> of the job file says, or when the job is paused.</p></Message>;
  const back = mayChange(job) && job.state !== 'succeeded' && job.pending === '';
  const lanes = withReach(lanesOf(details.generations, all, job.lineage, job.committedStep), reachOf(details.history));
  const kept = all.filter((one) => one.kept);
  const shown = deleted ? all : kept;
  return (
    <>
      <section class="card lineage" aria-label="Lineages">
        <header>
          <h2>Lineages</h2>
          <span class="muted">{count(kept.length)} of {count(all.length)} checkpoints kept, {bytes(kept.reduce((sum, one) => sum + one.bytes, 0))}</span>
        </header>
        <LineageGraph lanes={lanes} totalSteps={job.totalSteps} step={job.committedStep} pointed={pointed} onPoint={setPointed} {...(back ? { onChoose: setChosen } : {})} />
      </section>
      <section class="card">
        {kept.length < all.length && (
          <header>
            <h2>Checkpoints</h2>
            <label class="option end"><input type="checkbox" checked={deleted} onChange={(event) => setDeleted(event.currentTarget.checked)} /> Show {count(all.length - kept.length)} deleted</label>
          </header>
        )}
        <div class="table-frame">
          <table class="data">
            <thead><tr><th scope="col">Checkpoint</th><th scope="col" class="right">Step</th><th scope="col" class="right">Held-out loss</th><th scope="col" class="right">Perplexity</th><th scope="col" class="right">Lineage</th><th scope="col" class="right">Generation</th><th scope="col" class="right">Size</th><th scope="col">Age</th><th scope="col">Storage</th><th scope="col"><span class="visually-hidden">Actions</span></th></tr></thead>
            <tbody>
              {shown.map((one) => (
                <tr key={one.name} class={pointed === one.name ? 'pointed' : one.kept ? '' : 'aside'} onPointerEnter={() => setPointed(one.name)} onPointerLeave={() => setPointed(null)}>
                  <td><code>{one.name}</code></td>
                  <td class="right">{count(one.step)}</td>
                  <HeldOut found={heldOutAt(one, run.all.value, details.generations)} step={one.step} />
                  <td class="right">{one.lineage}{one.lineage === job.lineage && <span class="muted"> current</span>}</td>
                  <td class="right">{one.generation}</td>
                  <td class="right">{bytes(one.bytes)}</td>
                  <td title={full(one.at)}>{ago(one.at)}</td>
                  <td>{one.kept ? 'kept' : <span class="muted">deleted</span>}</td>
                  <td class="right row-actions">
                    {one.kept && <a class="button small" href={downloads.checkpoint(job.id, one.name)} download aria-label={`Download ${one.name}`}><Icon name="download" size={14} />Download</a>}
                    {one.kept && back && <button type="button" class="button small" onClick={() => setChosen(one)}><Icon name="back" size={14} />Go back to here</button>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
      {chosen && <GoBackDialog job={job} checkpoint={chosen} close={() => setChosen(null)} done={() => void view.fetch()} />}
    </>
  );
}

function HeldOut({ found, step }: { found: { loss: number; step: number } | null; step: number }) {
  if (!found) return <><td class="right muted">–</td><td class="right muted">–</td></>;
  const title = found.step === step ? '' : `Measured at about step ${count(found.step)}`;
  return <><td class="right number" title={title}>{lossText(found.loss)}</td><td class="right number" title={title}>{lossText(perplexity(found.loss))}</td></>;
}
