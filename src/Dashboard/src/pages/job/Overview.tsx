import { useEffect, useMemo, useState } from 'preact/hooks';
import type { RankSample } from '../../api/types';
import { type XAxis, axisNames, placeOfStep, stepsBetween } from '../../charts/axes';
import { Chart } from '../../charts/Chart';
import { curveOf, perplexity, smoothingDistance, tokensPerStep } from '../../charts/curves';
import { checkpointMarks, failureMarks, generationMarks, type Mark, type MarkKind, markNames } from '../../charts/marks';
import type { ChartSeries, PlacedMark } from '../../charts/model';
import { type Evaluation, measureGroups } from '../../charts/evaluations';
import { type Run, shownOf } from '../../charts/run';
import { Icon } from '../../components/Icon';
import { Chip } from '../../components/Filters';
import { bytes, count, short, significant } from '../../format/numbers';
import { hasPerplexity, taskOf } from '../../jobs/task';
import { type Shortcut, useShortcuts } from '../../keys';
import { query, setQuery } from '../../router';
import { chooseSmoothing, smoothing } from '../../stores/smoothing';
import { byRank, phases, phaseTimes } from './phases';
import type { JobView } from './view';

const value = (digits: number) => (one: number): string => significant(one, digits);
const four = value(4);
const three = value(3);
const axes: readonly XAxis[] = ['step', 'tokens', 'time'];
const noSamples: readonly RankSample[] = [];
const noEvaluations: readonly Evaluation[] = [];

const toChart = (): void => document.querySelector<HTMLElement>('.plot')?.focus();
// Charts mind these themselves while they have the focus.
const chartKeys: readonly Shortcut[] = [
  { keys: '+', what: 'Charts: zoom in; arrows move the cursor, with Shift what is shown', run: toChart },
  { keys: '-', what: 'Charts: zoom out; 0 shows all', run: toChart },
];

/** The job's charts. */
export function Overview({ view, run }: { view: JobView; run: Run }) {
  const details = view.details.value;
  const tokens = details ? tokensPerStep(details.jobFile) : NaN;
  const task = taskOf(details?.jobFile);
  const applies = task === 'inference';
  const axis = axisOf(query.value.get('x'), tokens);
  const zoom = useZoom(run, view);
  const [rank, setRank] = useState<number | null>(null);
  const off = new Set((query.value.get('hide') ?? '').split(',').filter(Boolean));
  const all = run.all.value;
  const buckets = shownOf(run);
  // When a step was is told by the metrics: until these are here, nothing has a place in time.
  const placeable = axis !== 'time' || all.last.length > 0;
  const samples = placeable ? view.samples.value : noSamples;

  const newest = all.last.at(-1);

  useShortcuts(chartKeys, []);

  const selected = Number(query.value.get('step')) || null;
  const marks = useMemo(() => {
    const found: Mark[] = [
      ...checkpointMarks(view.checkpoints.value ?? []), ...generationMarks(details?.generations ?? []), ...failureMarks(details?.history ?? []),
    ].filter((mark) => !off.has(mark.kind));
    if (selected) found.push({ kind: 'selected', step: selected, label: `step ${count(selected)}`, text: `Step ${count(selected)}, from the history` });
    return found.map((mark): PlacedMark => ({ ...mark, place: placeOfStep(axis, mark.step, all, tokens) })).filter((mark) => Number.isFinite(mark.place));
  }, [view.checkpoints.value, details?.generations, details?.history, axis, tokens, axis === 'time' ? all : null, query.value]);

  const range = useMemo<[number, number] | null>(
    () => (zoom && placeable ? [placeOfStep(axis, zoom[0], all, tokens), placeOfStep(axis, zoom[1] === Infinity ? Math.max(newest ?? 0, zoom[0] + 2) : zoom[1], all, tokens)] : null), [zoom?.[0], zoom?.[1], axis, tokens, axis === 'time' ? all : zoom?.[1] === Infinity ? newest : null]);
  const onRange = (part: [number, number] | null): void => {
    if (!part && !zoom) return;
    const steps = part && stepsBetween(axis, part[0], part[1], range && (part[0] < range[0] || part[1] > range[1]) ? all : buckets, tokens);
    // What reaches the newest step of a job that runs goes on with it.
    const open = steps && details?.job.state === 'running' && steps[1] >= (newest ?? Infinity);
    setQuery(steps ? { from: String(steps[0]), to: open ? undefined : String(Math.max(steps[1], steps[0] + 2)) } : { from: undefined, to: undefined }, 'push');
  };

  const curves = useMemo(() => {
    const distance = smoothingDistance([all]);
    const one = (name: Parameters<typeof curveOf>[1], label: string, colour: number, map?: (value: number) => number): ChartSeries[] =>
      [curveOf(buckets, name, axis, tokens, { id: name, label, colour }, all, distance, map)];
    return {
      loss: one('loss', 'Training loss', 1), perplexity: one('heldOutLoss', 'Held-out perplexity', 3, perplexity), heldOut: one('heldOutLoss', 'Held-out loss', 3), rate: one('learningRate', 'Learning rate', 4),
      norm: one('gradientNorm', 'Gradient norm', 2), tokens: one('tokensPerSecond', applies ? 'Documents/s' : 'Tokens/s', 8), world: one('worldSize', 'Ranks', 7),
    };
  }, [buckets, all, axis, tokens, applies]);
  const place = (step: number): number => placeOfStep(axis, step, all, tokens);
  const evaluations = placeable ? run.evaluations.value : noEvaluations;
  const measures = useMemo(() => measureGroups(evaluations, place), [evaluations, axis, tokens, axis === 'time' ? all : null]);
  const part = placeable ? view.samplesOfPart.value : noSamples;
  const inZoom = useMemo(() => part ?? (zoom ? samples.filter((sample) => sample.step >= zoom[0] && sample.step <= zoom[1]) : samples), [samples, part, zoom?.[0], zoom?.[1]]);
  const times = useMemo(() => {
    const found = phaseTimes(inZoom, rank, 200);
    const x = found.step.map(place);
    return phases.map((phase, i): ChartSeries => ({ id: phase.name, label: phase.name, colour: phase.colour, x, mean: found.times[i]! }));
  }, [inZoom, rank, axis, tokens, axis === 'time' ? all : null]);
  const ranks = useMemo(() => byRank(inZoom), [inZoom]);
  const memory = useMemo(() => [...ranks].slice(0, 16).map(([number, own], i): ChartSeries => ({
    id: `rank ${number}`, label: `Rank ${number}`, colour: (i % 8) + 1, x: own.map((sample) => place(sample.step)), mean: own.map((sample) => sample.gpuMemoryBytes || sample.memoryBytes),
  })), [ranks, axis, tokens, axis === 'time' ? all : null]);

  const job = details?.job;
  const lossUnit = task === 'classification' ? 'an example' : task === 'plugin' ? '' : 'nats a token';
  const waiting = job && ['queued', 'preparing'].includes(job.state) ? 'Appears with the first step' : 'No values';
  const unmeasured = waiting === 'No values' ? 'Not measured yet' : waiting;
  // From the first step to the newest: a bucket stands at its last step, and what ranks measure begins later and ends earlier than the metrics.
  const first = all.first[0];
  const allOfIt = useMemo<[number, number] | null>(
    () => (first === undefined || newest === undefined || place(first) === place(newest) ? null : [place(first), place(newest)]), [all, axis, tokens]);
  const common = { axis, range: range ?? allOfIt, whole: allOfIt, onRange, marks, sync: 'job', loading: run.loading.value, empty: waiting };
  const name = job?.name ?? 'job';
  const sampled = { ...common, loading: view.samplesLoading.value || (!placeable && run.loading.value) };
  return (
    <>
      <div class="chart-bar" role="toolbar" aria-label="Charts">
        <span class="segments" role="group" aria-label="Axis">
          {axes.map((one) => (
            <button key={one} type="button" aria-pressed={axis === one} disabled={one === 'tokens' && !Number.isFinite(tokens)} onClick={() => setQuery({ x: one === 'step' ? undefined : one })}>{axisNames[one]}</button>
          ))}
        </span>
        <label class="slider">Smoothing
          <input type="range" min={0} max={100} value={smoothing.value} onInput={(event) => chooseSmoothing(event.currentTarget.valueAsNumber)} />
          <output class="number">{smoothing.value}</output>
        </label>
        <span class="chips" role="group" aria-label="Marks">
          {(Object.entries(markNames) as [Exclude<MarkKind, 'selected'>, string][]).map(([kind, words]) => (
            <Chip key={kind} on={!off.has(kind)} tone={`mark-${kind}`} onClick={() => setQuery({ hide: toggled(off, kind) })}>{words}</Chip>
          ))}
        </span>
        <span class="end">
          {zoom
            ? <button type="button" class="button small" onClick={() => onRange(null)}><Icon name="close" size={13} />Steps {count(zoom[0])} – {zoom[1] === Infinity ? 'newest' : count(zoom[1])}</button>
            : <span class="muted hint">Drag to zoom, double click to see all</span>}
        </span>
      </div>
      {run.error.value !== null && <p class="notice error" role="alert">The metrics could not be loaded: {String((run.error.value as Error).message)}</p>}
      <div class="charts">
        {!applies && <Chart {...common} title="Loss" unit={lossUnit} large series={curves.loss} format={four} smoothing={smoothing.value} mayLog file={`${name}-loss`} />}
        {hasPerplexity(task)
          ? <Chart {...common} title="Held-out perplexity" series={curves.perplexity} format={four} mayLog log file={`${name}-perplexity`} empty={unmeasured} />
          : !applies && <Chart {...common} title="Held-out loss" unit={lossUnit} series={curves.heldOut} format={four} mayLog file={`${name}-held-out-loss`} empty={unmeasured} />}
        {measures.map((group) => (
          <Chart key={group.name} {...common} title={group.title} series={group.series} format={four} file={`${name}-${group.name}`} empty={unmeasured} />
        ))}
        <Chart {...common} title={applies ? 'Documents/s' : 'Tokens/s'} large={applies} series={curves.tokens} format={applies ? three : short} smoothing={smoothing.value} fromZero
          file={`${name}-${applies ? 'documents' : 'tokens'}-per-second`} />
        <Chart {...sampled} title="Step time by phase" unit="ms" kind="stacked" series={times} format={three} file={`${name}-phases`}>
          {ranks.size > 1 && (
            <select class="tool" aria-label="Rank" value={rank === null ? '' : String(rank)} onChange={(event) => setRank(event.currentTarget.value === '' ? null : Number(event.currentTarget.value))}>
              <option value="">mean</option>
              {[...ranks.keys()].map((one) => <option key={one} value={one}>rank {one}</option>)}
            </select>
          )}
        </Chart>
        {!applies && <Chart {...common} title="Gradient norm" unit="before clipping" series={curves.norm} format={three} smoothing={smoothing.value} mayLog file={`${name}-gradient-norm`} />}
        {!applies && <Chart {...common} title="Learning rate" series={curves.rate} format={three} mayLog file={`${name}-learning-rate`} />}
        <Chart {...sampled} title="Memory per rank" series={memory} format={bytes} ticks="bytes" fromZero file={`${name}-memory`} />
        <Chart {...common} title="World size" unit="ranks" kind="steps" series={curves.world} format={whole} ticks="whole" fromZero file={`${name}-world-size`} />
      </div>
    </>
  );
}

// What is zoomed into stands in the address: steps, whatever the axis; without a last one, up to the newest.
function useZoom(run: Run, view: JobView): [number, number] | null {
  const from = Number(query.value.get('from'));
  const to = query.value.has('to') ? Number(query.value.get('to')) : Infinity;
  const zoom: [number, number] | null = from > 0 && to > from ? [from, to] : null;
  useEffect(() => {
    run.zoom(zoom);
    void view.zoom(zoom);
  }, [run, view, zoom?.[0], zoom?.[1]]);
  return zoom;
}

function axisOf(text: string | null, tokens: number): XAxis {
  return text === 'time' || (text === 'tokens' && Number.isFinite(tokens)) ? text : 'step';
}

function toggled(off: ReadonlySet<string>, kind: string): string {
  const next = new Set(off);
  if (!next.delete(kind)) next.add(kind);
  return [...next].join(',');
}

function whole(one: number): string {
  return Number.isInteger(one) ? count(one) : three(one);
}
