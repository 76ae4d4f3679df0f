import { downloads } from '../../api/client';
import { Fragment } from 'preact';
import type { Job, JobDetails, JobFile, JobResult } from '../../api/types';
import { measureName, shownMeasures } from '../../charts/evaluations';
import { Bar } from '../../components/Bar';
import { Icon } from '../../components/Icon';
import { count, number, percent, short, significant } from '../../format/numbers';
import { hasPerplexity, isInference, taskOf } from '../../jobs/task';
import { plain } from './ansi';

/** How the corpus comes along before training begins. */
export function PreparingCard({ details: { job, corpus, corpusId } }: { details: JobDetails }) {
  if (job.state !== 'preparing' || !corpus) return null;
  const share = corpus.total > 0 ? corpus.done / corpus.total : 0;
  return (
    <section class="card notice-card" aria-label="Preparation">
      <h2>Preparing the corpus: {corpus.phase}</h2>
      <Bar share={share} label={corpus.phase} tone="preparing" />
      <p class="number">{percent(share)} · {count(corpus.done)} of {count(corpus.total)} {corpus.unit} · <a href={`/corpora#${encodeURIComponent(corpusId)}`}>all corpora</a></p>
    </section>
  );
}

/** What came of it. */
export function ResultCard({ details }: { details: JobDetails }) {
  const { job, result } = details;
  if (job.state !== 'succeeded' || !result) return null;
  if (isInference(job)) return <AppliedCard result={result} folder={outputOf(details.jobFile) ?? result.modelFolder} />;
  if (!hasPerplexity(taskOf(details.jobFile))) return <MeasuredCard job={job} result={result} />;
  const ours = number(result.heldOutPerplexity);
  const unigram = number(result.unigramPerplexity);
  const most = Math.max(...[ours, unigram].filter(Number.isFinite));
  const part = (one: number): number => (Number.isFinite(one) ? one / most : 1);
  const warning = !Number.isFinite(ours) ? 'its perplexity is not finite'
    : ours >= unigram ? 'it is no better than guessing' : '';
  return (
    <section class={`card notice-card ${warning ? 'warning' : 'succeeded'}`} aria-label="Result">
      <div class="result">
        <div>
          <h2>The model is ready{warning && `, but ${warning}`}</h2>
          <p class="muted">{short(result.parameters)} parameters · {count(result.steps)} steps · measured on {count(result.predictedTokens)} predicted tokens · <code>{result.modelFolder}</code></p>
        </div>
        <dl class="versus">
          <dt>Held-out perplexity</dt>
          <dd><Bar share={part(ours)} label="Held-out perplexity" tone={warning ? 'error' : 'succeeded'} text={significant(ours, 4)} /><strong class={`number${warning ? ' bad' : ''}`}>{significant(ours, 4)}</strong></dd>
          <dt>Guessing by frequency alone</dt>
          <dd><Bar share={part(unigram)} label="Perplexity of guessing by frequency alone" tone="queued" text={significant(unigram, 4)} /><span class="number">{significant(unigram, 4)}</span></dd>
        </dl>
        <a class="button primary" href={downloads.model(job.id)} download><Icon name="download" />Download the model</a>
      </div>
    </section>
  );
}

function AppliedCard({ result, folder }: { result: JobResult; folder: string }) {
  return (
    <section class="card notice-card succeeded" aria-label="Result">
      <h2>The results are ready</h2>
      <p class="muted">{count(result.predictedTokens)} documents · a model of {short(result.parameters)} parameters · <code>{folder}</code> below the storage root</p>
    </section>
  );
}

// Of a task whose loss has no perplexity.
function MeasuredCard({ job, result }: { job: Job; result: JobResult }) {
  const measures = shownMeasures(Object.keys(result.measures ?? {}));
  return (
    <section class="card notice-card succeeded" aria-label="Result">
      <div class="result">
        <div>
          <h2>The model is ready</h2>
          <p class="muted">
            {short(result.parameters)} parameters · {count(result.steps)} steps · measured on {count(result.predictedTokens)} examples · <code>{result.modelFolder}</code>
            {result.bestStep ? ` · that of step ${count(result.bestStep)}, the best, was kept` : ''}
          </p>
        </div>
        <dl class="versus">
          {measures.map((one) => (
            <Fragment key={one}>
              <dt>Held-out {measureName(one)}</dt>
              <dd><strong class="number">{significant(number(result.measures![one]), 4)}</strong></dd>
            </Fragment>
          ))}
          <dt>Held-out loss</dt>
          <dd><span class="number">{significant(number(result.heldOutLoss), 4)}</span></dd>
        </dl>
        <a class="button primary" href={downloads.model(job.id)} download><Icon name="download" />Download the model</a>
      </div>
    </section>
  );
}

function outputOf(jobFile: JobFile): string | undefined {
  const section = jobFile['inference'];
  const output = typeof section === 'object' && section !== null ? (section as Record<string, unknown>)['output'] : undefined;
  return typeof output === 'string' ? output : undefined;
}

/** Why it failed. */
export function FailureCard({ details: { job, lastFailure } }: { details: JobDetails }) {
  if (job.state !== 'failed') return null;
  return (
    <section class="card notice-card failed" aria-label="Failure">
      <h2>{job.reason || 'The job failed'}</h2>
      {lastFailure && (
        <>
          <p>
            Rank {lastFailure.rank} on <a href={`/workers#${encodeURIComponent(lastFailure.worker)}`}>{lastFailure.worker}</a> at step {count(lastFailure.step)}, generation {lastFailure.generation}
            {lastFailure.signal ? `, ended by ${lastFailure.signal}` : lastFailure.exitCode ? `, exit code ${lastFailure.exitCode}` : ''}
            {lastFailure.reason && lastFailure.reason !== job.reason ? `: ${lastFailure.reason}` : ''}
          </p>
          {lastFailure.lastLogLines.length > 0 && (
            <pre class="last-lines" tabIndex={0} aria-label="Its last log lines">{lastFailure.lastLogLines.map(plain).join('\n')}</pre>
          )}
          <p>
            <a href={`/jobs/${encodeURIComponent(job.id)}/logs?rank=${lastFailure.rank}`}>Open the log of rank {lastFailure.rank}</a>
            {lastFailure.permanent && <span class="muted"> · Another try would end the same way.</span>}
          </p>
        </>
      )}
    </section>
  );
}
