import { Bar } from '../../components/Bar';
import { number, short } from '../../format/numbers';
import { summary } from '../../stores/live';

/** The cluster in one line. */
export function Summary() {
  const now = summary.value;
  const used = now ? now.slots - now.freeSlots : 0;
  const jobs = (state: string): number => now?.jobs.find((one) => one.state === state)?.count ?? 0;
  return (
    <section class="tiles card" aria-label="The cluster">
      <a class="tile" href="/workers">
        <span class="what">Workers</span>
        <strong class="number">{now ? now.workers : '–'}</strong>
        {now && now.lostWorkers > 0 ? <span class="bad">{now.lostWorkers} lost</span> : <span class="muted">{now && now.gpus > 0 ? `${now.gpus} GPUs` : 'connected'}</span>}
      </a>
      <a class="tile wide" href="/workers">
        <span class="what">Slots in use</span>
        <strong class="number">{now ? <>{used}<small> of {now.slots}</small></> : '–'}</strong>
        <Bar share={now && now.slots > 0 ? used / now.slots : 0} label="Slots in use" />
      </a>
      <div class="tile">
        <span class="what">Running</span>
        <strong class="number">{now ? jobs('running') : '–'}</strong>
        <span class="muted">{jobs('preparing') > 0 ? `${jobs('preparing')} preparing` : 'jobs'}</span>
      </div>
      <div class="tile">
        <span class="what">Queued</span>
        <strong class="number">{now ? jobs('queued') : '–'}</strong>
        <span class="muted">{jobs('paused') > 0 ? `${jobs('paused')} paused` : 'jobs'}</span>
      </div>
      <div class="tile">
        <span class="what">Tokens/s</span>
        <strong class="number">{now ? short(number(now.tokensPerSecond)) : '–'}</strong>
        <span class="muted">all running jobs</span>
      </div>
    </section>
  );
}
