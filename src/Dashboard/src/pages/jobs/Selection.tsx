import type { Job } from '../../api/types';
import { Icon } from '../../components/Icon';
import { act, allows, mayChange } from '../../jobs/actions';

const actions = [
  { action: 'pause', label: 'Pause', icon: 'pause' },
  { action: 'resume', label: 'Resume', icon: 'play' },
  { action: 'cancel', label: 'Cancel', icon: 'stop' },
  { action: 'delete', label: 'Delete', icon: 'trash' },
] as const;

/** The most runs that a comparison can tell apart by colour. */
export const mostCompared = 8;

/** The address of a comparison. */
export function compareHref(ids: readonly string[]): string {
  return `/compare?${ids.map((id) => `job=${encodeURIComponent(id)}`).join('&')}`;
}

/** What can be done with the jobs that are ticked. */
export function Selection({ jobs, clear }: { jobs: readonly Job[]; clear: () => void }) {
  return (
    <div class="selection" role="region" aria-label="Selected jobs">
      <strong class="number">{jobs.length} selected</strong>
      {jobs.length <= mostCompared
        ? <a class="button primary" href={compareHref(jobs.map((job) => job.id))}><Icon name="chart" />Compare</a>
        : <span class="muted">Compare at most {mostCompared}</span>}
      {actions.map(({ action, label, icon }) => {
        const able = jobs.filter((job) => mayChange(job) && allows(job, action));
        return able.length > 0 && (
          <button key={action} class="button" type="button" onClick={() => void act(action, able).then((done) => done && clear())}>
            <Icon name={icon} />{label}{able.length < jobs.length ? ` ${able.length}` : ''}
          </button>
        );
      })}
      <button class="button plain square" type="button" aria-label="Select none" title="Select none" onClick={clear}><Icon name="close" /></button>
    </div>
  );
}
