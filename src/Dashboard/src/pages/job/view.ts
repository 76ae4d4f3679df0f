import { type Signal, signal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { api } from '../../api/client';
import { connections, stream } from '../../api/stream';
import type { Checkpoint, HistoryEntry, JobDetails, RankSample, StreamEvents } from '../../api/types';
import { type Run, useRuns } from '../../charts/run';
import { addSamples } from './phases';

const samplesOfRank = 300;
const settleMilliseconds = 700;
const unsteppedMilliseconds = 2500;
const checkpointsEvery = 10_000;

/** All that the job's page shows but for its log: it is fetched once and then kept up to date by the stream. */
export class JobView {
  readonly details = signal<JobDetails | null>(null);
  readonly error = signal<unknown>(null);
  readonly checkpoints = signal<readonly Checkpoint[] | null>(null);
  readonly samples = signal<readonly RankSample[]>([]);
  readonly samplesLoading = signal(true);
  /** Those of the steps that were zoomed into; null while all are shown. */
  readonly samplesOfPart = signal<readonly RankSample[] | null>(null);
  private part = new AbortController();
  private range: readonly [number, number] | null = null;
  private readonly abort = new AbortController();
  private readonly ends: (() => void)[] = [];
  private again: number | undefined;

  constructor(readonly id: string) {}

  start(): void {
    void this.fetch();
    void this.fetchSamples();
    let known = connections.peek();
    this.ends.push(
      stream.subscribe('job', () => `job:${this.id}`, (data) => data.id === this.id && this.take(data)),
      stream.subscribe('gone', () => `job:${this.id}`, (data) => {
        if (data.topic.startsWith(`job:${this.id}`)) void this.fetch();
      }),
      connections.subscribe((connection) => {
        if (connection !== known && known > 0) void this.fetch();
        known = connection;
      }),
    );
    const timer = window.setInterval(() => {
      if (!document.hidden && this.details.value?.job.state === 'running') void this.fetchCheckpoints();
    }, checkpointsEvery);
    this.ends.push(() => clearInterval(timer));
  }

  stop(): void {
    clearTimeout(this.again);
    for (const end of this.ends) end();
    this.abort.abort();
    this.part.abort();
  }

  async fetch(): Promise<void> {
    void this.fetchCheckpoints();
    await this.load(this.details, () => api.job(this.id, this.abort.signal));
    const { job, generations } = this.details.value ?? {};
    // A generation is told of once it has taken a step.
    if (job?.state === 'running' && generations?.at(-1)?.generation !== job.generation) this.fetchAgain(unsteppedMilliseconds);
  }

  private fetchAgain(wait: number): void {
    clearTimeout(this.again);
    if (!this.abort.signal.aborted) this.again = window.setTimeout(() => void this.fetch(), wait);
  }

  async fetchCheckpoints(): Promise<void> {
    await api.checkpoints(this.id, this.abort.signal).then((found) => (this.checkpoints.value = found), () => undefined);
  }

  private async fetchSamples(): Promise<void> {
    try {
      this.samples.value = (await api.samples(this.id, { points: samplesOfRank }, this.abort.signal)).samples;
    } catch {
      // Shown as a chart without values; the stream may bring some.
    }
    this.samplesLoading.value = false;
    if (this.abort.signal.aborted) return;
    const newest = (): number => this.samples.value.reduce((most, sample) => Math.max(most, sample.step), 0);
    this.ends.push(stream.subscribe('samples', () => `samples:${this.id}:${newest()}`, (data) => {
      if (data.jobId !== this.id) return;
      this.samples.value = addSamples(this.samples.value, data.samples, 2 * samplesOfRank);
      const { range } = this;
      const within = range ? data.samples.filter((sample) => sample.step >= range[0] && sample.step <= range[1]) : [];
      if (this.samplesOfPart.value && within.length > 0) this.samplesOfPart.value = addSamples(this.samplesOfPart.value, within, 2 * samplesOfRank);
    }));
  }

  /** Fetches the samples of a range of steps as closely as they were taken. */
  async zoom(range: readonly [number, number] | null): Promise<void> {
    this.part.abort();
    const { signal: abort } = (this.part = new AbortController());
    this.range = range;
    this.samplesOfPart.value = null;
    if (!range) return;
    const found = await api.samples(this.id, { fromStep: range[0], ...(Number.isFinite(range[1]) ? { toStep: range[1] } : {}), points: samplesOfRank }, abort).catch(() => null);
    if (found && !abort.aborted && !this.abort.signal.aborted) this.samplesOfPart.value = found.samples;
  }

  private async load<T>(into: Signal<T | null>, call: () => Promise<T>): Promise<void> {
    try {
      into.value = await call();
      this.error.value = null;
    } catch (error) {
      if (!this.abort.signal.aborted) this.error.value = error;
    }
  }

  private take(event: StreamEvents['job']): void {
    const before = this.details.value;
    if (!before) return;
    const history = merged(before.history, event.history);
    this.details.value = {
      ...before, job: event.job, history, ranks: event.ranks,
      ...(event.metrics ? { lastMetrics: event.metrics } : {}),
      ...(event.corpus ? { corpus: event.corpus } : {}),
      ...(event.result ? { result: event.result } : {}),
      ...(event.lastFailure ? { lastFailure: event.lastFailure } : {}),
      ...(event.heldOutLoss === undefined ? {} : { heldOutLoss: event.heldOutLoss }),
      ...(event.measures && Object.keys(event.measures).length > 0 ? { measures: event.measures } : {}),
    };
    // Generations and checkpoints come with no event.
    if (history !== before.history || event.job.generation !== before.job.generation || event.job.lineage !== before.job.lineage || event.job.state !== before.job.state)
      this.fetchAgain(settleMilliseconds);
    // What was measured after the step that it went back to counts no more.
    if (event.job.lineage !== before.job.lineage) void this.zoom(this.range);
  }
}

/** Entries in order, each once. The same list where none is new. */
export function merged(known: readonly HistoryEntry[], more: readonly HistoryEntry[]): HistoryEntry[] {
  const last = known.at(-1)?.sequence ?? 0;
  const fresh = more.filter((entry) => entry.sequence > last);
  return fresh.length === 0 ? (known as HistoryEntry[]) : [...known, ...fresh];
}

/** The view of a job and its metrics, for as long as the component is shown. */
export function useJobView(id: string): { view: JobView; run: Run } {
  const view = useMemo(() => new JobView(id), [id]);
  const ids = useMemo(() => [id], [id]);
  const [run] = useRuns(ids);
  useEffect(() => {
    view.start();
    return () => view.stop();
  }, [view]);
  return { view, run: run! };
}
