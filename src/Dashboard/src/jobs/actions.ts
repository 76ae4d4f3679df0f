import { api } from '../api/client';
import type { Job } from '../api/types';
import { ask } from '../components/Dialog';
import type { MenuItem } from '../components/Menu';
import { toast, toastError } from '../components/Toasts';
import { who } from '../format/people';
import { go } from '../router';
import { session } from '../session';

export type Action = 'pause' | 'resume' | 'cancel' | 'clone' | 'delete';

/** Whether a job has come to its end. */
export function hasEnded(job: Pick<Job, 'state'>): boolean {
  return job.state === 'succeeded' || job.state === 'failed' || job.state === 'cancelled';
}

/** Whether the state of a job allows something. */
export function allows(job: Pick<Job, 'state' | 'pending'>, action: Action): boolean {
  switch (action) {
    case 'pause': return (job.state === 'queued' || job.state === 'preparing' || job.state === 'running') && job.pending === '';
    case 'resume': return job.state === 'paused' && job.pending === '';
    case 'cancel': return !hasEnded(job) && job.pending !== 'cancelling';
    case 'clone': return true;
    case 'delete': return hasEnded(job);
  }
}

/** Whether the user may change a job: their own, or any as an admin. */
export function mayChange(job: Pick<Job, 'submitter'>): boolean {
  const me = session.value;
  if (me.state !== 'in' || !session.may('submitter')) return false;
  return me.who.role === 'admin' || me.who.tokenId === '' || who(job.submitter) === me.who.user;
}

const questions = {
  pause: { title: 'Pause', text: 'Its ranks write a checkpoint and stop, and its slots are free for other jobs. It can be resumed from there.', action: 'Pause', reason: true },
  resume: { title: 'Resume', text: 'It is queued again and goes on from its newest checkpoint.', action: 'Resume', reason: true },
  cancel: { title: 'Cancel', text: 'Its ranks are ended at once, and what they did since the newest checkpoint is lost. Checkpoints stay.', action: 'Cancel the job', reason: true, danger: true },
  delete: { title: 'Delete', text: 'Its metrics, logs, history and checkpoints are deleted for good.', action: 'Delete for good', danger: true },
} as const;

const doing = { pause: 'Pausing', resume: 'Resuming', cancel: 'Cancelling', delete: 'Deleted' } as const;

/** Asks, then does something to jobs: whether it was done to all. */
export async function act(action: Exclude<Action, 'clone'>, jobs: readonly Job[]): Promise<boolean> {
  const question = questions[action];
  const what = jobs.length === 1 ? jobs[0]!.name : `${jobs.length} jobs`;
  const model = action === 'delete' && jobs.some((job) => job.state === 'succeeded');
  const answer = await ask({ ...question, title: `${question.title} ${what}?`, ...(model ? { option: { label: 'Keep the finished model', on: true } } : {}) });
  if (answer === null) return false;
  const call = (job: Job): Promise<unknown> => (action === 'delete' ? api.remove(job.id, answer.option) : api[action](job.id, answer.reason));
  const results = await Promise.allSettled(jobs.map(call));
  for (const result of results) if (result.status === 'rejected') toastError(result.reason);
  const done = results.filter((result) => result.status === 'fulfilled').length;
  if (done > 0) toast(`${doing[action]} ${jobs.length === 1 ? what : `${done} jobs`}`);
  return done === jobs.length;
}

/** What can be done to a job, as a menu's items. */
export function actionItems(job: Job, deleted?: () => void): MenuItem[] {
  const items: MenuItem[] = [];
  const add = (action: Exclude<Action, 'clone'>, item: Omit<MenuItem, 'run'>): void => {
    if (mayChange(job) && allows(job, action)) items.push({ ...item, run: () => void act(action, [job]).then((done) => done && action === 'delete' && deleted?.()) });
  };
  add('pause', { label: 'Pause', icon: 'pause' });
  add('resume', { label: 'Resume', icon: 'play' });
  if (session.may('submitter')) items.push({ label: 'Clone and edit', icon: 'copy', run: () => go(`/submit?from=${encodeURIComponent(job.id)}`) });
  add('cancel', { label: 'Cancel', icon: 'stop', danger: true });
  add('delete', { label: 'Delete', icon: 'trash', danger: true });
  return items;
}
