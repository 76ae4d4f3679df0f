import type { Job } from '../../api/types';
import { Bar } from '../../components/Bar';
import { Menu } from '../../components/Menu';
import { Sparkline } from '../../components/Sparkline';
import { StateBadge } from '../../components/StateBadge';
import { count, lossText, number, percent } from '../../format/numbers';
import { who } from '../../format/people';
import { duration, full, now, roughly, since } from '../../format/times';
import { actionItems, hasEnded } from '../../jobs/actions';
import { reasonBesides } from '../../jobs/list';
import { share, timeLeft } from '../../jobs/pace';
import { isInference, progressText, speedText } from '../../jobs/task';
import { setQuery } from '../../router';

/** A job of the list. */
export function Row({ job, selected, select }: { job: Job; selected: boolean; select: (id: string, on: boolean, range: boolean) => void }) {
  const loss = number(job.lastMetrics?.loss);
  const tokens = number(job.lastMetrics?.tokensPerSecond);
  const href = `/jobs/${encodeURIComponent(job.id)}`;
  const explained = job.state === 'running' || job.state === 'succeeded' ? '' : reasonBesides(job);
  return (
    <tr class={selected ? 'selected' : ''} data-row={job.id}>
      <td class="tick"><input type="checkbox" aria-label={`Select ${job.name}`} checked={selected} onClick={(event) => select(job.id, event.currentTarget.checked, event.shiftKey)} /></td>
      <td class="name">
        <a href={href} data-open="">{job.name}</a>
        <code class="muted">{job.id}</code>
      </td>
      <td class="state">
        <StateBadge state={job.state} pending={job.pending} />
        {explained && <span class={`reason ${job.state === 'failed' ? 'failed' : ''}`} title={job.reason}>{explained}</span>}
      </td>
      <td class="progress">
        <Bar share={share(job)} label={`Progress of ${job.name}`} tone={job.state} />
        <span class="under number">
          <span>{isInference(job) ? progressText(job) : `${count(job.committedStep)} / ${count(job.totalSteps)}`}</span>
          <TimeLeft job={job} />
        </span>
      </td>
      <td class="line">{!isInference(job) && <Sparkline values={job.lossLine} live={job.state === 'running'} label={`Loss of ${job.name}, now ${Number.isFinite(loss) ? lossText(loss) : 'not known'}`} />}</td>
      <td class="right" data-label="Loss">{job.lastMetrics && !isInference(job) ? <span class={Number.isFinite(loss) ? 'strong' : 'bad'}>{lossText(loss)}</span> : '–'}</td>
      <td class="right" data-label="Tokens/s">{job.state === 'running' && Number.isFinite(tokens) ? speedText(job, tokens) : '–'}</td>
      <td class="right" data-label="Ranks"><Ranks job={job} /></td>
      <td class="right" data-label="Age"><Age job={job} /></td>
      <td data-label="Owner"><button class="link" type="button" title={`Only the jobs of ${who(job.submitter)}`} onClick={() => setQuery({ owner: who(job.submitter) })}>{who(job.submitter)}</button></td>
      <td class="right" data-label="Priority">{job.priority}</td>
      <td class="menu-cell"><Menu label={`Actions on ${job.name}`} items={[{ label: 'Open', icon: 'chart', href }, ...actionItems(job)]} /></td>
    </tr>
  );
}

function TimeLeft({ job }: { job: Job }) {
  if (job.againFrom !== undefined) return <span title="No rank that held them was left: steps are computed again from the newest checkpoint.">again from {count(job.againFrom)}</span>;
  const left = timeLeft(job);
  return <span>{Number.isFinite(left) ? `${roughly(left)} left` : percent(share(job))}</span>;
}

function Ranks({ job }: { job: Job }) {
  const allowed = job.ranksMin === job.ranksMax ? `${job.ranksMin} allowed` : `${job.ranksMin} to ${job.ranksMax} allowed`;
  if (hasEnded(job) || job.state === 'paused' || job.state === 'queued' || job.worldSize === 0) return <span class="muted" title={allowed}>{job.ranksMin === job.ranksMax ? job.ranksMin : `${job.ranksMin}–${job.ranksMax}`}</span>;
  const left = job.ranksLeft ?? job.worldSize;
  return (
    <span title={`${left} of ${job.worldSize} ranks of generation ${job.generation}; ${allowed}`}>
      <span class={left < job.worldSize ? 'bad' : 'strong'}>{left}</span>/{job.worldSize} <span class="muted">of {job.ranksMin === job.ranksMax ? job.ranksMin : `${job.ranksMin}–${job.ranksMax}`}</span>
    </span>
  );
}

function Age({ job }: { job: Job }) {
  const took = job.startedAt ? `; ran for ${duration(since(job.startedAt, job.endedAt ? Date.parse(job.endedAt) : now.value))}` : '';
  return <time dateTime={job.submittedAt} title={`Submitted ${full(job.submittedAt)}${took}`}>{duration(since(job.submittedAt)).split(' ')[0]}</time>;
}
