import { downloads } from '../../api/client';
import type { JobDetails } from '../../api/types';
import { pace, timeTrained } from '../../charts/axes';
import { perplexity, tokensPerStep } from '../../charts/curves';
import { meanOf } from '../../charts/buckets';
import { measureName, shownMeasures } from '../../charts/evaluations';
import type { Run } from '../../charts/run';
import { Bar } from '../../components/Bar';
import { Icon } from '../../components/Icon';
import { Menu } from '../../components/Menu';
import { StateBadge } from '../../components/StateBadge';
import { toast, toastError } from '../../components/Toasts';
import { count, number, percent, short, significant } from '../../format/numbers';
import { who } from '../../format/people';
import { ago, duration, full, roughly, since } from '../../format/times';
import { act, actionItems, allows, hasEnded, mayChange } from '../../jobs/actions';
import { reasonBesides } from '../../jobs/list';
import { recallPace, share, timeLeft, watchPace } from '../../jobs/pace';
import { hasPerplexity, isInference, progressText, taskOf } from '../../jobs/task';
import { go } from '../../router';
import { session } from '../../session';
import { median } from './phases';
import type { JobView } from './view';

/** What the job is, how far it is, and what can be done to it. */
export function Head({ view, details, run }: { view: JobView; details: JobDetails; run: Run }) {
  const { job } = details;
  return (
    <header class="job-head">
      <div class="job-title">
        <h1>{job.name}</h1>
        <StateBadge state={job.state} pending={job.pending} />
        <button type="button" class="id" title="Copy the id" onClick={() => void navigator.clipboard.writeText(job.id).then(() => toast('Copied'), toastError)}>
          <code>{job.id}</code><Icon name="copy" size={13} />
        </button>
        <Actions details={details} />
      </div>
      <p class="job-why">
        {reasonBesides(job) && <span>{reasonBesides(job)}</span>}
        <span class="muted">
          Owner {who(job.submitter) || 'unknown'} · submitted <time dateTime={job.submittedAt ?? ''} title={full(job.submittedAt)}>{ago(job.submittedAt)}</time>
          {job.priority !== 0 && ` · priority ${job.priority}`}
        </span>
      </p>
      <Progress details={details} run={run} />
      <KeyNumbers view={view} details={details} run={run} />
    </header>
  );
}

function Actions({ details: { job } }: { details: JobDetails }) {
  const mine = mayChange(job);
  const deleted = (): void => go('/');
  const more = actionItems(job, deleted).filter((item) => item.label !== 'Pause' && item.label !== 'Resume' && item.label !== 'Clone and edit');
  return (
    <div class="end">
      {mine && allows(job, 'pause') && <button class="button" type="button" onClick={() => void act('pause', [job])}><Icon name="pause" />Pause</button>}
      {mine && allows(job, 'resume') && <button class="button primary" type="button" onClick={() => void act('resume', [job])}><Icon name="play" />Resume</button>}
      {session.may('submitter') && <a class="button" href={`/submit?from=${encodeURIComponent(job.id)}`}><Icon name="copy" />Clone and edit</a>}
      {mine && allows(job, 'cancel') && <button class="button danger" type="button" onClick={() => void act('cancel', [job])}><Icon name="stop" />Cancel</button>}
      {mine && allows(job, 'delete') && (
        <button class="button danger" type="button" onClick={() => void act('delete', [job]).then((done) => done && deleted())}><Icon name="trash" />Delete</button>
      )}
      <Menu label="More" items={[
        { label: 'Compare with other jobs', icon: 'chart', href: `/compare?job=${encodeURIComponent(job.id)}` },
        { label: 'Metrics as CSV', icon: 'download', href: downloads.metricsCsv(job.id) },
        { label: 'Log as text', icon: 'download', href: downloads.log(job.id) },
        ...(job.state === 'succeeded' && !isInference(job) ? [{ label: 'Model', icon: 'download' as const, href: downloads.model(job.id) }] : []),
        ...more.filter((item) => item.label !== 'Cancel' && item.label !== 'Delete'),
      ]} />
    </div>
  );
}

function Progress({ details: { job, generations }, run }: { details: JobDetails; run: Run }) {
  watchPace([job]);
  const { last, at } = run.all.value;
  recallPace(job, last, at, generations.at(-1)?.generation === job.generation ? generations.at(-1)!.firstStep : Infinity);
  const left = timeLeft(job);
  const done = share(job);
  const words = progressText(job);
  return (
    <div class="job-progress">
      <Bar share={done} label="Progress" tone={job.state} text={words} />
      <p>
        <strong class="number">{done > 0 && done < 1 ? `${(Math.floor(done * 1000) / 10).toFixed(1)}%` : percent(done)}</strong>
        <span class="number"> {words}</span>
        {job.againFrom !== undefined && <span class="badge warning">computing again from step {count(job.againFrom)}, now at {count(job.appliedStep)}</span>}
        <span class="end">{Number.isFinite(left) && left > 0 ? left < 60_000 ? 'under 1 min left' : `about ${roughly(left)} left` : ''}</span>
      </p>
    </div>
  );
}

function KeyNumbers({ details, run }: { view: JobView; details: JobDetails; run: Run }) {
  const { job } = details;
  const metrics = details.lastMetrics ?? job.lastMetrics;
  const live = job.state === 'running';
  const took = job.startedAt ? since(job.startedAt, job.endedAt ? Date.parse(job.endedAt) : undefined) : NaN;
  const perStep = isInference(job) ? job.documentsPerStep! : tokensPerStep(details.jobFile);
  const stepTime = number(metrics?.tokensPerSecond) > 0 && Number.isFinite(perStep) ? (perStep / number(metrics?.tokensPerSecond)) * 1000 : pace(run.all.value);
  const own = median(details.ranks.filter((rank) => rank.inGeneration && rank.stepMilliseconds > 0).map((rank) => rank.stepMilliseconds));
  // Of a job that does not run, what it was like while it did.
  const buckets = run.all.value;
  const trained = timeTrained(buckets);
  const meanStep = trained / ((buckets.last.at(-1) ?? NaN) - (buckets.last[0] ?? NaN));
  const meanSpeed = Number.isFinite(perStep) ? (perStep / meanStep) * 1000 : meanOf(buckets, 'tokensPerSecond');
  const unit = isInference(job) ? 'Documents/s' : 'Tokens/s';
  const ended = hasEnded(job);
  const ranks = job.ranksLeft ?? job.worldSize;
  return (
    <dl class="key-numbers">
      {!isInference(job) && <KeyNumber name="Loss" value={metrics ? significant(number(metrics.loss), 4) : '–'} bad={metrics !== undefined && !Number.isFinite(number(metrics.loss))} />}
      {!isInference(job) && <HeldOut details={details} />}
      {live
        ? <KeyNumber name={unit} value={metrics ? short(number(metrics.tokensPerSecond)) : '–'} />
        : <KeyNumber name={`Mean ${unit.toLowerCase()}`} value={short(meanSpeed)} title="Over the time in which it trained" />}
      {live
        ? <KeyNumber name="Step time" value={duration(Number.isFinite(stepTime) ? stepTime : own)} />
        : <KeyNumber name="Mean step time" value={duration(meanStep)} title="Over the time in which it trained" />}
      <KeyNumber name={live ? 'Ranks' : 'Ranks at last'} value={live ? `${ranks}` : metrics ? `${metrics.worldSize}` : '–'} more={job.ranksMin === job.ranksMax ? `of ${job.ranksMax}` : `of ${job.ranksMin}–${job.ranksMax}`} />
      <KeyNumber name="Generation" value={`${job.generation}`} more={job.lineage > 0 ? `lineage ${job.lineage}` : ''} />
      {live || ended
        ? <KeyNumber name={ended ? 'Took' : 'Running for'} value={duration(took)} title={job.startedAt ? `Started ${full(job.startedAt)}${ended && Number.isFinite(trained) ? `, trained for ${duration(trained)}` : ''}` : ''} />
        : <KeyNumber name="Trained for" value={duration(trained)} title={job.startedAt ? `Started ${full(job.startedAt)}` : ''} />}
    </dl>
  );
}

// What counts most of what was measured: of classes their accuracy or F1, of texts BLEU, else the perplexity or the loss.
function HeldOut({ details }: { details: JobDetails }) {
  const measures = shownMeasures(Object.keys(details.measures ?? {})).slice(0, 2);
  if (measures.length > 0) return <>{measures.map((one) => <KeyNumber key={one} name={`Held-out ${measureName(one)}`} value={significant(number(details.measures![one]), 4)} />)}</>;
  const hasOne = details.heldOutLoss !== undefined;
  const inTokens = hasPerplexity(taskOf(details.jobFile));
  const value = !hasOne ? NaN : inTokens ? perplexity(number(details.heldOutLoss)) : number(details.heldOutLoss);
  return <KeyNumber name={inTokens ? 'Held-out perplexity' : 'Held-out loss'} value={hasOne ? significant(value, 4) : '–'} bad={hasOne && !Number.isFinite(value)} />;
}

function KeyNumber({ name, value, more, bad, title }: { name: string; value: string; more?: string; bad?: boolean; title?: string }) {
  return (
    <div title={title}>
      <dt>{name}</dt>
      <dd class={`number${bad ? ' bad' : ''}`}>{value}{more && <span class="more"> {more}</span>}</dd>
    </div>
  );
}
