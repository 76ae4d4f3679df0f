import { useState } from 'preact/hooks';
import type { JobDetails } from '../../api/types';
import { timeTrained } from '../../charts/axes';
import type { Buckets } from '../../charts/buckets';
import { tokensPerStep } from '../../charts/curves';
import type { Run } from '../../charts/run';
import { count, lossText, number, short } from '../../format/numbers';
import { duration } from '../../format/times';
import { settingRows } from '../../jobs/settings';
import { bestHeldOut, commonSpan, meanOver, meanSteps, type Span } from './model';

interface Props {
  jobs: readonly JobDetails[];
  labels: ReadonlyMap<string, string>;
  colours: ReadonlyMap<string, number>;
}

interface Result {
  name: string;
  value: (job: JobDetails, run: Buckets) => number;
  /** What is said beside the value. */
  more?: (job: JobDetails, run: Buckets) => string;
  text: (value: number) => string;
  /** Which value is better; left out where none is. */
  better?: 'low' | 'high';
}

const heldOut = (details: JobDetails, run: Buckets): number => bestHeldOut(run)?.loss ?? number(details.result?.heldOutLoss ?? details.heldOutLoss);
const stepOfHeldOut = (_: JobDetails, run: Buckets): string => {
  const best = bestHeldOut(run);
  return best ? `step ${count(best.step)}` : '';
};

// A single step's loss or speed is chance: means are compared, of losses over the same steps.
function resultsOf(runs: readonly Buckets[]): Result[] {
  const span = commonSpan(runs);
  const steps = meanSteps(runs);
  const end = (run: Buckets): Span => ({ from: (run.last.at(-1) ?? 0) - steps + 1, to: run.last.at(-1) ?? 0 });
  const lastSteps = `mean of its last ${count(steps)} steps`;
  return [
    { name: 'Steps', value: ({ job }) => job.committedStep, text: count },
    ...(span ? [{ name: `Loss, mean of steps ${count(span.from)} to ${count(span.to)}`, value: (_: JobDetails, run: Buckets) => meanOver(run, 'loss', span), text: lossText, better: 'low' as const }] : []),
    { name: `Loss, ${lastSteps}`, value: (_, run) => meanOver(run, 'loss', end(run)), text: lossText },
    { name: 'Best held-out loss', value: heldOut, text: lossText, more: stepOfHeldOut, better: 'low' },
    { name: 'Best held-out perplexity', value: (details, run) => Math.exp(heldOut(details, run)), text: lossText, more: stepOfHeldOut, better: 'low' },
    { name: 'Perplexity of guessing by frequency alone', value: ({ result }) => number(result?.unigramPerplexity), text: lossText },
    { name: `Tokens/s, ${lastSteps}`, value: (_, run) => meanOver(run, 'tokensPerSecond', end(run)), text: short, better: 'high' },
    { name: `Step time, ${lastSteps}`, value: ({ jobFile }, run) => (tokensPerStep(jobFile) / meanOver(run, 'tokensPerSecond', end(run))) * 1000, text: duration },
    { name: 'Time in which it trained', value: (_, run) => timeTrained(run), text: duration },
    { name: 'Ranks', value: ({ job }) => job.worldSize || NaN, text: count },
    { name: 'Parameters', value: ({ result }) => number(result?.parameters), text: short },
  ];
}

/** What came of each run so far. */
export function Results({ jobs, runs, labels, colours }: Props & { runs: readonly Run[] }) {
  const buckets = runs.map((run) => run.all.value);
  const rows = resultsOf(buckets).map((row) => ({ row, values: jobs.map((job, i) => row.value(job, buckets[i]!)) })).filter(({ values }) => values.some(Number.isFinite));
  return (
    <section class="card">
      <header><h2>Results</h2></header>
      <div class="table-frame">
        <table class="data side-by-side">
          <Head jobs={jobs} labels={labels} colours={colours} first="Result" />
          <tbody>
            {rows.map(({ row, values }) => {
              const best = bestOf(values, row.better);
              return (
                <tr key={row.name}>
                  <th scope="row">{row.name}</th>
                  {values.map((value, i) => <td key={jobs[i]!.job.id} class={`number ${value === best ? 'best' : ''}`}>{Number.isFinite(value) ? row.text(value) : '–'}{row.more && Number.isFinite(value) && <small class="muted"> {row.more(jobs[i]!, buckets[i]!)}</small>}{value === best && <span class="visually-hidden"> (best)</span>}</td>)}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** The settings in which the runs differ, or all of them. */
export function Settings({ jobs, labels, colours }: Props) {
  const [all, setAll] = useState(false);
  const rows = settingRows(jobs.map((job) => job.jobFile));
  const shown = rows.filter((row) => all || (row.differs && row.field !== 'name'));
  return (
    <section class="card">
      <header>
        <h2>Settings</h2>
        <span class="muted">{rows.filter((row) => row.differs && row.field !== 'name').length} of {rows.length} differ</span>
        <label class="option end"><input type="checkbox" checked={all} onChange={(event) => setAll(event.currentTarget.checked)} /> Show all</label>
      </header>
      {shown.length === 0 ? <p class="body muted">All settings are the same.</p> : (
        <div class="table-frame">
          <table class="data side-by-side">
            <Head jobs={jobs} labels={labels} colours={colours} first="Setting" />
            <tbody>
              {shown.map((row) => (
                <tr key={row.field} class={all && row.differs ? 'differs' : ''}>
                  <th scope="row"><code>{row.field}</code></th>
                  {row.values.map((value, i) => <td key={jobs[i]!.job.id} class="number">{value ?? <span class="muted">–</span>}</td>)}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Head({ jobs, labels, colours, first }: Props & { first: string }) {
  return (
    <thead>
      <tr>
        <th scope="col">{first}</th>
        {jobs.map(({ job }) => <th key={job.id} scope="col"><span class={`swatch s${colours.get(job.id)}`} /> {labels.get(job.id)}</th>)}
      </tr>
    </thead>
  );
}

function bestOf(values: readonly number[], better: Result['better']): number | undefined {
  const finite = values.filter(Number.isFinite);
  if (!better || finite.length < 2 || new Set(finite).size < 2) return undefined;
  return better === 'low' ? Math.min(...finite) : Math.max(...finite);
}
