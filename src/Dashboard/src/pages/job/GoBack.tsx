import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from '../../api/client';
import type { Checkpoint, Job } from '../../api/types';
import { toast } from '../../components/Toasts';
import { count } from '../../format/numbers';

const mostSkipped = 1000;

/** Asks how to go back to a checkpoint, and does it. */
export function GoBackDialog({ job, checkpoint, close, done }: { job: Job; checkpoint: Checkpoint; close: () => void; done: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [skip, setSkip] = useState(0);
  const [why, setWhy] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await api.goBack(job.id, checkpoint.name, skip, why.trim());
      toast(`${job.name} goes back to step ${count(checkpoint.step)}`);
      done();
      close();
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
    setBusy(false);
  };
  const lost = Math.max(0, job.committedStep - checkpoint.step);
  return (
    <dialog ref={dialog} aria-labelledby="go-back" onCancel={(event) => { event.preventDefault(); close(); }}>
      <form onSubmit={(event) => void submit(event)}>
        <h2 id="go-back">Go back to step {count(checkpoint.step)}?</h2>
        <p>
          Lineage {job.lineage + 1} begins at <code>{checkpoint.name}</code>. {lost > 0 ? `The ${count(lost)} ${lost === 1 ? 'step' : 'steps'} after it count no more. ` : ''}
          {job.state === 'running' ? 'The ranks go back at once.' : 'The job is queued again.'}
        </p>
        <label class="stacked">Steps to leave out after it
          <input class="field wide" type="number" min={0} max={mostSkipped} step={1} required value={skip} onInput={(event) => setSkip(event.currentTarget.valueAsNumber || 0)} aria-describedby="skip-help" />
        </label>
        <p id="skip-help" class="muted">What went wrong in these steps does not come again: their batches are not trained on. 0 to {count(mostSkipped)}.</p>
        <label class="stacked">Why (for the history) <input class="field wide" maxLength={1024} value={why} onInput={(event) => setWhy(event.currentTarget.value)} /></label>
        {error && <p class="notice error" role="alert">{error}</p>}
        <div class="actions">
          <button class="button" type="button" onClick={close}>Do nothing</button>
          <button class="button danger" type="submit" disabled={busy}>Go back</button>
        </div>
      </form>
    </dialog>
  );
}
