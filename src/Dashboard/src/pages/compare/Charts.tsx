import { useEffect, useMemo } from 'preact/hooks';
import type { JobDetails, SeriesName } from '../../api/types';
import { axisNames, placeOfStep, stepsBetween, type XAxis } from '../../charts/axes';
import type { Buckets } from '../../charts/buckets';
import { Chart } from '../../charts/Chart';
import { curveOf, perplexity, smoothingDistance, tokensPerStep } from '../../charts/curves';
import { failureMarks, generationMarks, markNames } from '../../charts/marks';
import type { ChartSeries, Colour, PlacedMark } from '../../charts/model';
import type { Run } from '../../charts/run';
import { Chip } from '../../components/Filters';
import { Icon } from '../../components/Icon';
import { short, significant } from '../../format/numbers';
import { query, setQuery } from '../../router';
import { chooseSmoothing, smoothing } from '../../stores/smoothing';
import { matched } from './model';

interface ComparedChart {
  title: string;
  series: SeriesName;
  format: (value: number) => string;
  mayLog?: boolean;
  /** Begins with a logarithmic axis. */
  log?: boolean;
  fromZero?: boolean;
  unit?: string;
  empty?: string;
  map?: (value: number, tokensPerStep: number) => number;
  /** The map turns what is high into what is low. */
  turns?: boolean;
}

const four = (value: number): string => significant(value, 4);
const three = (value: number): string => significant(value, 3);
const charts: readonly ComparedChart[] = [
  { title: 'Loss', series: 'loss', format: four, mayLog: true, unit: 'nats a token' },
  { title: 'Held-out loss', series: 'heldOutLoss', format: four, mayLog: true, unit: 'nats a token', empty: 'Not measured yet' },
  { title: 'Held-out perplexity', series: 'heldOutLoss', format: four, mayLog: true, log: true, map: perplexity, empty: 'Not measured yet' },
  { title: 'Tokens/s', series: 'tokensPerSecond', format: short, fromZero: true },
  { title: 'Step time', series: 'tokensPerSecond', format: three, fromZero: true, unit: 'ms', map: (value, tokens) => (tokens / value) * 1000, turns: true },
  { title: 'Gradient norm', series: 'gradientNorm', format: three, mayLog: true, unit: 'before clipping' },
  { title: 'Learning rate', series: 'learningRate', format: three, mayLog: true },
];
const axes: readonly { axis: XAxis; name: string }[] = [{ axis: 'step', name: axisNames.step }, { axis: 'tokens', name: axisNames.tokens }, { axis: 'elapsed', name: 'Time' }];
const markKinds = ['failure', 'back'] as const;

interface Props {
  jobs: readonly JobDetails[];
  /** Of each job. */
  runs: readonly Run[];
  labels: ReadonlyMap<string, string>;
  colours: ReadonlyMap<string, number>;
}

/** The metrics of several runs, over each other. */
export function CompareCharts({ jobs, runs, labels, colours }: Props) {
  const axis = axes.find((one) => one.axis === query.value.get('x'))?.axis ?? 'step';
  const off = new Set((query.value.get('hide') ?? '').split(',').filter(Boolean));
  const alls = runs.map((run) => run.all.value);
  const parts = runs.map((run) => run.part.value);
  const wholes = useMemo(() => matched(alls), alls);
  const buckets = useMemo(() => (parts.some((part) => part) ? matched(parts.map((part, i) => part ?? wholes[i]!)) : wholes), [wholes, ...parts]);
  const distance = smoothingDistance(wholes);
  const tokens = jobs.map((job) => tokensPerStep(job.jobFile));
  const named = jobs.map(({ job }) => `${job.id} ${labels.get(job.id)}`).join();
  const series = useMemo(
    () => new Map(charts.map((chart) => [chart.title, jobs.map(({ job }, i) =>
      curve(chart, buckets[i]!, axis, tokens[i]!, { id: job.id, label: labels.get(job.id) ?? job.name, colour: colours.get(job.id) ?? 1 }, wholes[i]!, distance))])),
    [buckets, wholes, axis, tokens.join(), named],
  );
  const marks = useMemo(() => marksOf(jobs, labels, off, (step, i) => placeOfStep(axis, step, wholes[i]!, tokens[i]!)), [
    jobs.map(({ history, generations }) => `${history.length} ${generations.length}`).join(), axis, axis === 'elapsed' ? wholes : null, tokens.join(), named, query.value.get('hide')]);
  const { range, choose } = useZoom(axis, runs, alls, tokens);
  const loading = runs.some((run) => run.loading.value);
  const failed = runs.find((run) => run.error.value !== null);
  return (
    <>
      <div class="chart-bar" role="toolbar" aria-label="Charts">
        <span class="segments" role="group" aria-label="Axis">
          {axes.map((one) => <button key={one.axis} type="button" aria-pressed={axis === one.axis} onClick={() => setQuery({ x: one.axis === 'step' ? '' : one.axis, from: '', to: '' })}>{one.name}</button>)}
        </span>
        <label class="slider">Smoothing
          <input type="range" min={0} max={100} value={smoothing.value} onInput={(event) => chooseSmoothing(event.currentTarget.valueAsNumber)} />
          <output class="number">{smoothing.value}</output>
        </label>
        <span class="chips" role="group" aria-label="Marks">
          {markKinds.map((kind) => (
            <Chip key={kind} on={!off.has(kind)} tone={`mark-${kind}`} onClick={() => setQuery({ hide: [...markKinds].filter((one) => off.has(one) !== (one === kind)).join() })}>{markNames[kind]}</Chip>
          ))}
        </span>
        <span class="end">
          {range
            ? <button class="button small" type="button" onClick={() => choose(null)}><Icon name="close" size={13} />Show all</button>
            : <span class="muted hint">Drag to zoom, double click to see all</span>}
        </span>
      </div>
      {failed && <p class="notice error" role="alert">Metrics could not be loaded: {failed.error.value instanceof Error ? failed.error.value.message : String(failed.error.value)}</p>}
      <div class="charts compare-charts">
        {charts.map((chart) => (
          <Chart key={chart.title} title={chart.title} series={series.get(chart.title)!} axis={axis} format={chart.format} smoothing={chart.series === 'heldOutLoss' ? 0 : smoothing.value} range={range} onRange={choose}
            marks={marks} sync="compare" file={`compare-${chart.title.toLowerCase().replace(/\W+/g, '-')}`} loading={loading} fromZero={chart.fromZero ?? false} log={chart.log ?? false}
            {...(chart.unit ? { unit: chart.unit } : {})} {...(chart.mayLog ? { mayLog: true } : {})} {...(chart.empty ? { empty: chart.empty } : {})} />
        ))}
      </div>
    </>
  );
}

function curve(
  { series, map, turns }: ComparedChart, buckets: Buckets, axis: XAxis, tokens: number, as: { id: string; label: string; colour: Colour }, whole: Buckets, distance: number,
): ChartSeries {
  const one = curveOf(buckets, series, axis, tokens, as, whole, distance, map && ((value) => map(value, tokens)));
  return turns && one.min && one.max ? { ...one, min: one.max, max: one.min } : one;
}

function marksOf(jobs: readonly JobDetails[], labels: ReadonlyMap<string, string>, off: ReadonlySet<string>, placeOf: (step: number, run: number) => number): PlacedMark[] {
  return jobs.flatMap(({ job, history, generations }, i) =>
    [...generationMarks(generations).filter((mark) => mark.kind === 'back'), ...failureMarks(history)]
      .filter((mark) => !off.has(mark.kind))
      .map((mark) => ({ ...mark, text: `${labels.get(job.id)}: ${mark.text}`, place: placeOf(mark.step, i) }))
      .filter((mark) => Number.isFinite(mark.place)));
}

// What is zoomed into stands in the address, as places on the axis: runs may have different steps there.
function useZoom(axis: XAxis, runs: readonly Run[], alls: readonly Buckets[], tokens: readonly number[]) {
  const from = Number(query.value.get('from') ?? NaN);
  const to = Number(query.value.get('to') ?? NaN);
  const range = useMemo<[number, number] | null>(() => (from >= 0 && to > from ? [from, to] : null), [from, to]);
  const here = alls.map((all) => all.last.length > 0).join();
  useEffect(() => {
    runs.forEach((run, i) => run.zoom(range && alls[i]!.last.length > 0 ? stepsBetween(axis, range[0], range[1], alls[i]!, tokens[i]!) : null));
  }, [runs, range, axis, here, tokens.join()]);
  const choose = (part: [number, number] | null): void => {
    if (part || range) setQuery(part ? { from: String(Math.max(0, Math.floor(part[0]))), to: String(Math.max(Math.ceil(part[1]), Math.floor(part[0]) + 1)) } : { from: '', to: '' }, 'push');
  };
  return { range, choose };
}
