import { type ReadonlySignal, signal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { api } from '../api/client';
import { connections, stream } from '../api/stream';
import type { MetricPoint, SeriesName } from '../api/types';
import { append, type Buckets, cutAfter, fromRange, noBuckets, pointsShown } from './buckets';
import { addEvaluations, cutEvaluations, type Evaluation } from './evaluations';

/** The metrics of a run, live, in a bounded number of buckets. */
export interface Run {
  readonly job: string;
  /** All its steps. */
  readonly all: ReadonlySignal<Buckets>;
  /** The steps that were zoomed into, finer; null while all are shown. */
  readonly part: ReadonlySignal<Buckets | null>;
  /** What evaluations measured beside the loss; only of runs with all series. */
  readonly evaluations: ReadonlySignal<readonly Evaluation[]>;
  readonly loading: ReadonlySignal<boolean>;
  readonly error: ReadonlySignal<unknown>;
  /** Fetches a range of steps as fine as a chart can show it; one without an end (infinity) goes on with the run. */
  zoom(range: readonly [number, number] | null): void;
}

/** A run that is fetched, and then listened to. */
export class LiveRun implements Run {
  readonly all = signal<Buckets>(noBuckets);
  readonly part = signal<Buckets | null>(null);
  readonly evaluations = signal<readonly Evaluation[]>([]);
  readonly loading = signal(true);
  readonly error = signal<unknown>(null);
  private range: readonly [number, number] | null = null;
  private readonly aborts = { all: new AbortController(), part: new AbortController() };
  private unsubscribe: (() => void) | undefined;
  private fetches = 0;
  /** The lineage and generation of the last step that was streamed. */
  private made: readonly [number, number] | null = null;
  private fetching = false;
  /** Points that came while all were being fetched: the answer may be older. */
  private meanwhile: MetricPoint[] = [];
  private fetchingPart = false;
  private partMeanwhile: MetricPoint[] = [];

  constructor(readonly job: string, private readonly series: readonly SeriesName[] | undefined) {}

  /** Fetches what there is, then listens to what comes after it. */
  async start(): Promise<void> {
    await this.fetchAll();
    if (this.aborts.all.signal.aborted || this.unsubscribe) return;
    this.unsubscribe = stream.subscribe('metrics', () => this.topic, (data) => {
      if (data.jobId !== this.job) return;
      if (data.reset !== undefined) {
        this.made = null;
        this.all.value = cutAfter(this.all.value, data.reset);
        this.evaluations.value = cutEvaluations(this.evaluations.value, data.reset);
        this.meanwhile = [];
        if (this.part.value) this.part.value = cutAfter(this.part.value, data.reset);
        this.fetchAgain();
      }
      if (!data.points) return;
      if (data.lineage !== undefined && data.generation !== undefined) this.made = [data.lineage, data.generation];
      this.meanwhile.push(...data.points);
      if (!this.fetching) this.meanwhile = [];
      this.all.value = append(this.all.value, data.points, 2 * pointsShown);
      if (!this.series) this.evaluations.value = addEvaluations(this.evaluations.value, data.points, 2 * pointsShown);
      this.appendToPart(data.points);
    });
  }

  stop(): void {
    this.unsubscribe?.();
    this.aborts.all.abort();
    this.aborts.part.abort();
  }

  /** Fetches all again: while the connection was gone, more may have changed than the stream tells. */
  async fetchAll(): Promise<void> {
    const order = ++this.fetches;
    this.fetching = true;
    try {
      const range = await api.metrics(this.job, this.query({ points: pointsShown, ...(this.series ? {} : { evaluations: true }) }), this.aborts.all.signal);
      if (order !== this.fetches) return;
      this.all.value = append(fromRange(range), this.meanwhile, 2 * pointsShown);
      this.evaluations.value = addEvaluations(addEvaluations([], range.evaluations ?? [], 2 * pointsShown), this.meanwhile, 2 * pointsShown);
      this.error.value = null;
    } catch (error) {
      if (!this.aborts.all.signal.aborted) this.error.value = error;
    }
    this.loading.value = false;
    this.fetching = false;
    this.meanwhile = [];
  }

  /** Fetches all, and the part that was zoomed into. */
  fetchAgain(): void {
    void this.fetchAll();
    this.fetchPartAgain();
  }

  zoom(range: readonly [number, number] | null): void {
    if (range?.[0] === this.range?.[0] && range?.[1] === this.range?.[1]) return;
    this.range = range;
    this.fetchPartAgain();
    if (!range) this.part.value = null;
  }

  // Points may have come, or gone, since it was fetched.
  private fetchPartAgain(): void {
    this.aborts.part.abort();
    this.aborts.part = new AbortController();
    if (this.range) void this.fetchPart(this.range, this.aborts.part.signal);
  }

  // A part that reaches beyond the newest step grows with the run.
  private appendToPart(points: readonly MetricPoint[]): void {
    const { range } = this;
    if (!range) return;
    const within = points.filter((point) => point.step >= range[0] && point.step <= range[1]);
    if (this.fetchingPart) this.partMeanwhile.push(...within);
    if (this.part.value && within.length > 0) this.part.value = append(this.part.value, within, 2 * pointsShown);
  }

  private async fetchPart([fromStep, toStep]: readonly [number, number], abort: AbortSignal): Promise<void> {
    this.fetchingPart = true;
    this.partMeanwhile = [];
    try {
      const range = await api.metrics(this.job, this.query({ fromStep, ...(Number.isFinite(toStep) ? { toStep } : {}), points: pointsShown }), abort);
      if (!abort.aborted) this.part.value = append(fromRange(range), this.partMeanwhile, 2 * pointsShown);
    } catch (error) {
      if (!abort.aborted) this.error.value = error;
    }
    // Another fetch has begun if this one was given up.
    if (!abort.aborted) this.fetchingPart = false;
  }

  private query<T extends object>(query: T): T & { series?: readonly SeriesName[] } {
    return this.series ? { ...query, series: this.series } : query;
  }

  // With who made the last step, so that it is told if that was taken again while nobody listened.
  private get topic(): string {
    const newest = this.all.value.last.at(-1) ?? 0;
    return ['metrics', this.job, newest, ...(this.made ?? [])].join(':');
  }
}

/**
 * The metrics of jobs for as long as the component is shown.
 * @param jobs Ids; those of jobs that have ended as well.
 * @param series Only these; left out for all.
 */
export function useRuns(jobs: readonly string[], series?: readonly SeriesName[]): readonly Run[] {
  const key = jobs.join('\n');
  const runs = useMemo(() => jobs.map((job) => new LiveRun(job, series)), [key]);
  useEffect(() => {
    for (const run of runs) void run.start();
    let known = connections.peek();
    const unsubscribe = connections.subscribe((connection) => {
      if (connection === known) return;
      // The first connection comes after the first fetch, or with it.
      if (known > 0) for (const run of runs) run.fetchAgain();
      known = connection;
    });
    return () => {
      unsubscribe();
      for (const run of runs) run.stop();
    };
  }, [runs]);
  return runs;
}

/** The buckets that are shown: the part that was zoomed into, else all. */
export function shownOf(run: Run): Buckets {
  return run.part.value ?? run.all.value;
}
