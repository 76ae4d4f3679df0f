import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Menu } from '../components/Menu';
import { theme } from '../components/Theme';
import { toastError } from '../components/Toasts';
import { placeText, type XAxis } from './axes';
import { ChartBoundary } from './ChartBoundary';
import { ChartTable } from './ChartTable';
import { csv, png, save, summary } from './export';
import { newestOf } from './columns';
import type { Placed } from './marks';
import { type ChartKind, type ChartSeries, colourName, type Drawing, type Hover, type HoverValue, type PlacedMark, swatch } from './model';
import type { Plot } from './plot';

// Drawing comes in a chunk of its own; it is asked for while the data is.
const drawingCode = import('./plot');

export interface ChartProps {
  title: string;
  /** What is measured, such as "ms"; shown beside the title. */
  unit?: string;
  series: readonly ChartSeries[];
  axis: XAxis;
  kind?: ChartKind;
  /** A value in words, for the axis, the legend and the table. */
  format: (value: number) => string;
  /** 0 (none, the default) to 100. */
  smoothing?: number;
  /** Has a button for a logarithmic axis. */
  mayLog?: boolean;
  /** And begins with it. */
  log?: boolean;
  fromZero?: boolean;
  /** Where the value axis has its ticks; at round decimal numbers by default. */
  ticks?: Drawing['ticks'];
  /** Takes two columns where there are three. */
  large?: boolean;
  marks?: readonly PlacedMark[];
  /** The part of the axis that is shown; null for all of it. */
  range?: readonly [number, number] | null;
  /** All of the axis: needed to zoom out by steps, and to move what is shown. */
  whole?: readonly [number, number] | null;
  /** A part was chosen by dragging or with the keyboard, or all of it (null). */
  onRange?: (range: [number, number] | null) => void;
  /** Charts with the same key show the cursor together. */
  sync?: string;
  /** What files that are saved are called, without the extension. */
  file: string;
  /** Its values are on their way. */
  loading?: boolean;
  /** What is said where there are no values. */
  empty?: string;
  /** More controls, in the head. */
  children?: ComponentChildren;
}

const noMarks: readonly PlacedMark[] = [];

/** A chart with its legend, which shows the values at the cursor, and with its values as a table. */
export function Chart(props: ChartProps) {
  return <ChartBoundary title={props.title}><Frame {...props} /></ChartBoundary>;
}

function Frame(props: ChartProps) {
  const { title, series, axis, format, kind = 'line', smoothing = 0, marks = noMarks, range = null, whole = null } = props;
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const [log, setLog] = useState(props.log ?? false);
  const [view, setView] = useState<'chart' | 'table'>('chart');
  const [wide, setWide] = useState(false);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [hover, setHover] = useState<Hover | null>(null);
  const [mark, setMark] = useState<{ placed: Placed; left: number } | null>(null);
  const onRange = useRef(props.onRange);
  onRange.current = props.onRange;
  // The value at the cursor is told to those who moved it by keys, since they may not see it.
  const byKeys = useRef(false);
  const scheme = theme.value;
  const drawing: Drawing = useMemo(
    () => ({ series, axis, kind, log, smoothing, marks, range, whole, hidden, format, fromZero: props.fromZero ?? false, ticks: props.ticks ?? 'decimal' }),
    [series, axis, kind, log, smoothing, marks, range, whole, hidden, format, props.fromZero, props.ticks, scheme],
  );
  const newest = useRef(drawing);
  newest.current = drawing;

  useEffect(() => {
    let here = true;
    if (view !== 'chart') return undefined;
    drawingCode.then(({ Plot: Class }) => {
      if (!here || !host.current) return;
      plot.current = new Class(host.current, newest.current, {
        hover: setHover,
        mark: (placed, left) => setMark(placed && { placed, left }),
        select: (from, to) => onRange.current?.([from, to]),
        reset: () => onRange.current?.(null),
      }, props.sync);
    }, toastError);
    return () => {
      here = false;
      plot.current?.destroy();
      plot.current = null;
    };
  }, [view, props.sync]);
  useEffect(() => plot.current?.update(drawing), [drawing]);

  const empty = !series.some((one) => one.mean.some(Number.isFinite));
  const measured = empty && series.some((one) => newestOf(one) !== undefined);
  const toggle = (id: string): void => {
    const next = new Set(hidden);
    if (!next.delete(id)) next.add(id);
    setHidden(next);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const move = (direction: number): void => {
      byKeys.current = true;
      if (!event.shiftKey) plot.current?.step(direction * 4);
      else if (!plot.current?.pan(direction / 4)) plot.current?.step(direction * 40);
    };
    const act: Record<string, () => void> = {
      ArrowLeft: () => move(-1), ArrowRight: () => move(1),
      '+': () => plot.current?.zoomIn(), '-': () => plot.current?.zoomOut(), '0': () => onRange.current?.(null), Escape: () => plot.current?.leave(),
    };
    const found = Object.hasOwn(act, event.key) ? act[event.key] : undefined;
    if (!found) return;
    event.preventDefault();
    found();
  };
  const picture = async (): Promise<void> => {
    const canvas = plot.current?.canvas;
    if (!canvas) return;
    const colours = getComputedStyle(document.documentElement);
    save(`${props.file}.png`, await png(canvas, title, series.filter((one) => !hidden.has(one.id))
      .map((one) => ({ label: one.label, colour: colours.getPropertyValue(colourName(one.colour)).trim() }))));
  };

  return (
    <figure class={`chart card${wide ? ' wide' : ''}${props.large ? ' large' : ''}`}>
      <figcaption>
        <h3>{title}{props.unit && <span class="unit"> {props.unit}</span>}</h3>
        <span class="place number">{hover ? placeText(axis, hover.place) : ''}</span>
        <span class="tools">
          {props.children}
          {props.mayLog && <button type="button" class="tool" aria-pressed={log} title="Logarithmic scale" onClick={() => setLog(!log)}>log</button>}
          <button type="button" class="tool" aria-pressed={wide} title={wide ? 'Smaller' : 'Larger'} aria-label={wide ? 'Make the chart smaller' : 'Make the chart larger'} onClick={() => setWide(!wide)}>⤢</button>
          <Menu label={`More of ${title}`} items={[
            { label: view === 'chart' ? 'Show as table' : 'Show as chart', icon: 'chart', run: () => setView(view === 'chart' ? 'table' : 'chart') },
            { label: 'Save as PNG', icon: 'download', disabled: view !== 'chart', run: () => void picture().catch(toastError) },
            { label: 'Save as CSV', icon: 'download', run: () => save(`${props.file}.csv`, new Blob([csv(axis, series)], { type: 'text/csv' })) },
          ]} />
        </span>
      </figcaption>
      <Legend series={series} hidden={hidden} hover={hover} format={format} smoothed={smoothing > 0 && kind === 'line'} toggle={toggle} />
      {view === 'table'
        ? <ChartTable title={title} series={series.filter((one) => !hidden.has(one.id))} axis={axis} range={range} format={format} />
        : (
          <div class={`plot-frame${empty ? ' empty' : ''}`}>
            <div ref={host} class="plot" tabIndex={0} role="group" aria-roledescription="chart" aria-label={summary(title, axis, series, format)}
              onKeyDown={onKeyDown} onPointerMove={() => (byKeys.current = false)} onBlur={() => plot.current?.leave()} />
            <span class="visually-hidden" aria-live="polite">{byKeys.current && hover ? spoken(axis, hover, series, format) : ''}</span>
            {mark && <MarkTip placed={mark.placed} left={mark.left} leftwards={mark.left > (host.current?.clientWidth ?? 0) / 2} />}
            {empty && <p class="plot-empty">{props.loading ? 'Loading…' : measured ? <span class="bad">No value was finite</span> : (props.empty ?? 'No values yet')}</p>}
          </div>
        )}
    </figure>
  );
}

function spoken(axis: XAxis, hover: Hover, series: readonly ChartSeries[], format: (value: number) => string): string {
  const values = series.map((one, i) => {
    const { value = NaN, bad = false } = hover.values[i] ?? {};
    return `${one.label} ${Number.isFinite(value) ? format(value) : bad ? 'not finite' : 'no value'}`;
  });
  return `${placeText(axis, hover.place)}: ${values.slice(0, 8).join(', ')}`;
}

interface LegendProps {
  series: readonly ChartSeries[];
  hidden: ReadonlySet<string>;
  hover: Hover | null;
  format: (value: number) => string;
  smoothed: boolean;
  toggle: (id: string) => void;
}

function Legend({ series, hidden, hover, format, smoothed, toggle }: LegendProps) {
  return (
    <div class="legend">
      {series.map((one, i) => {
        const pointed = hover?.values[i];
        const newest = newestOf(one);
        const value = pointed ? pointed.value : (newest ?? NaN);
        const bad = pointed ? pointed.bad : newest !== undefined && !Number.isFinite(newest);
        const name = <><span class={swatch(one.colour)} />{one.label}</>;
        return (
          <span key={one.id} class={hidden.has(one.id) ? 'item off' : 'item'}>
            {series.length > 1
              ? <button type="button" aria-pressed={!hidden.has(one.id)} title={`Show or hide ${one.label}`} onClick={() => toggle(one.id)}>{name}</button>
              : <span class="name">{name}</span>}
            {series.length === 1 && pointed && smoothed && <span class="span">smoothed</span>}
            <span class={`value number${bad ? ' bad' : ''}`}>{Number.isFinite(value) ? format(value) : bad ? badText(value) : '–'}</span>
            {series.length === 1 && pointed && <Around value={pointed} format={format} smoothed={smoothed} />}
          </span>
        );
      })}
    </div>
  );
}

/** What was measured there: its mean, where a smoothed value is shown, and what the bucket's lie between. */
function Around({ value: { raw, min, max }, format, smoothed }: { value: HoverValue; format: (value: number) => string; smoothed: boolean }) {
  const between = max > min ? `(${format(min)}–${format(max)})` : '';
  if (!smoothed || !Number.isFinite(raw)) return between ? <span class="span number">{between}</span> : null;
  return <span class="span number">· {between ? 'mean' : 'measured'} {format(raw)} {between}</span>;
}

function badText(value: number): string {
  return value === -Infinity ? '−∞' : value === Infinity ? '∞' : 'not finite';
}

function MarkTip({ placed, left, leftwards }: { placed: Placed; left: number; leftwards: boolean }) {
  const all = [placed.mark, ...placed.others];
  return (
    <div class={`mark-tip${leftwards ? ' leftwards' : ''}`} role="status" style={{ left: `${left}px` }}>
      {all.slice(-4).map((one, i) => <p key={i}>{one.text}</p>)}
      {all.length > 4 && <p class="muted">and {all.length - 4} before</p>}
    </div>
  );
}
