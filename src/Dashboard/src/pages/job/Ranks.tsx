import type { JobDetails, Rank, RankSample } from '../../api/types';
import { swatch } from '../../charts/model';
import { Bar } from '../../components/Bar';
import { Message } from '../../components/Messages';
import { readSort, SortHead, sortBy } from '../../components/Table';
import { bytes, count, percent, significant } from '../../format/numbers';
import { query } from '../../router';
import { byRank, median, phases, total } from './phases';
import type { JobView } from './view';

/** The job's processes: where each is, how fast, and what its time goes into. */
export function Ranks({ view, details }: { view: JobView; details: JobDetails }) {
  const { job, ranks } = details;
  if (ranks.length === 0)
    return <Message title="No ranks"><p>{job.state === 'queued' || job.state === 'preparing' ? 'They are started once the job has slots and its corpus is ready.' : 'The job has no processes at the moment.'}</p></Message>;
  const middle = median(ranks.filter((rank) => rank.stepMilliseconds > 0).map((rank) => rank.stepMilliseconds));
  const newest = new Map([...byRank(view.samples.value)].map(([rank, own]) => [rank, own.at(-1)!]));
  const of = (rank: Rank): RankSample | undefined => {
    const sample = newest.get(rank.rank);
    return sample && sample.member === rank.member ? sample : undefined;
  };
  const memory = (rank: Rank): number => of(rank)?.gpuMemoryBytes || of(rank)?.memoryBytes || NaN;
  const sort = readSort(query.value.get('sort'), { by: 'rank', descending: false });
  const keys: Record<string, (rank: Rank) => number | string> = {
    rank: (rank) => rank.rank, worker: (rank) => `${rank.worker} ${rank.slot}`, state: (rank) => rank.state, step: (rank) => rank.appliedStep,
    time: (rank) => rank.stepMilliseconds || NaN, memory,
  };
  const sorted = sortBy(ranks, keys[sort.by] ?? keys['rank']!, sort.descending);
  const stragglers = ranks.filter((rank) => rank.straggler);
  const leading = Math.max(...ranks.map((rank) => rank.appliedStep));
  return (
    <>
      {stragglers.length > 0 && (
        <p class="notice warning" role="status">
          {stragglers.map((rank) => `Rank ${rank.rank} on ${rank.worker} takes ${significant(rank.stepMilliseconds / middle, 2)} times as long as the middle one`).join('; ')}: all ranks wait for the slowest in every step.
        </p>
      )}
      <section class="card">
        <div class="table-frame">
          <table class="data ranks">
            <thead>
              <tr>
                <SortHead by="rank" sort={sort}>Rank</SortHead>
                <SortHead by="worker" sort={sort}>Worker</SortHead>
                <SortHead by="state" sort={sort}>State</SortHead>
                <SortHead by="step" sort={sort} right down>Applied step</SortHead>
                <SortHead by="time" sort={sort} down>Own time for a step</SortHead>
                <th scope="col">Where a step's time goes</th>
                <SortHead by="memory" sort={sort} right down>Memory</SortHead>
                <th scope="col" class="right">Process</th>
              </tr>
            </thead>
            <tbody>
              {sorted.map((rank) => (
                <tr key={`${rank.rank} ${rank.member}`} class={rank.inGeneration ? '' : 'aside'}>
                  <td class="number"><strong>{rank.rank}</strong>{!rank.inGeneration && <span class="muted"> gets ready</span>}</td>
                  <td><a href={`/workers#${encodeURIComponent(rank.worker)}`}>{rank.worker}</a> <span class="muted">slot {rank.slot}</span></td>
                  <td>{rank.state}</td>
                  <td class="right">{count(rank.appliedStep)}{leading - rank.appliedStep > 1 && <span class="muted"> −{count(leading - rank.appliedStep)}</span>}</td>
                  <td><StepTime rank={rank} middle={middle} /></td>
                  <td><Shares sample={of(rank)} /></td>
                  <td class="right" title={of(rank) ? `At most ${bytes(of(rank)!.peakMemoryBytes)}` : ''}>{bytes(memory(rank))}</td>
                  <td class="right">{rank.processId > 0 ? rank.processId : '–'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <p class="phase-key">{phases.map((phase) => <span key={phase.name}><span class={swatch(phase.colour)} />{phase.name}</span>)}</p>
      </section>
    </>
  );
}

// The bar's middle is the median of all.
function StepTime({ rank, middle }: { rank: Rank; middle: number }) {
  if (!(rank.stepMilliseconds > 0)) return <span class="muted">–</span>;
  const relative = rank.stepMilliseconds / middle;
  return (
    <span class="step-time">
      <span class="number">{significant(rank.stepMilliseconds, 3)} ms</span>
      <Bar share={relative / 2} label="Of twice the median" tone={rank.straggler ? 'error' : ''} text={`${significant(relative, 2)} times the median`} />
      {rank.straggler ? <span class="badge error">straggler</span> : <span class="muted number">×{relative.toFixed(2)}</span>}
    </span>
  );
}

function Shares({ sample }: { sample: RankSample | undefined }) {
  if (!sample) return <span class="muted">–</span>;
  const all = total(sample);
  const words = phases.map((phase) => `${phase.name} ${percent(phase.of(sample) / all)} (${significant(phase.of(sample), 3)} ms)`).join(', ');
  return (
    <span class="shares" role="img" aria-label={words} title={words}>
      {phases.map((phase) => <span key={phase.name} class={swatch(phase.colour)} style={{ width: `${(phase.of(sample) / all) * 100}%` }} />)}
    </span>
  );
}
