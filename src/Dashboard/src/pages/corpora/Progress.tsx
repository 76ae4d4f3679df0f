import type { Corpus } from '../../api/types';
import { Bar } from '../../components/Bar';
import { count } from '../../format/numbers';
import { share, tones } from './model';

/** How far a corpus has come, in shards and, while it is being made, in its present phase. */
export function Progress({ corpus }: { corpus: Corpus }) {
  const { state, shards, shardsDone, progress } = corpus;
  const made = shards > 0 ? `${count(shardsDone)} of ${count(shards)}` : '';
  if (state === 'ready' || state === 'failed') return <>{state === 'ready' ? count(shards) : made || '–'}</>;
  const told = progress && !(progress.done === shardsDone && progress.total === shards);
  const phase = told ? `${progress.phase}: ${count(progress.done)}${progress.total > 0 ? ` of ${count(progress.total)}` : ''} ${progress.unit}` : progress?.phase ?? state;
  return (
    <span class="progress">
      <span>{made} <span class="muted">{phase}</span></span>
      <Bar share={share(corpus)} label="Progress" tone={tones[state]} text={`${made} ${phase}`.trim()} />
    </span>
  );
}
