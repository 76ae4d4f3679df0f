import uPlot from 'uplot';
import { duration } from '../format/times';
import { logSplits, padded, tickTexts } from './axes';
import { extent, type Columns } from './columns';
import { colourName, type Drawing } from './model';

export interface Hooks {
  draw: (u: uPlot) => void;
  cursor: (u: uPlot) => void;
  select: (from: number, to: number) => void;
  reset: () => void;
}

/** The value of a custom property of the colour scheme. */
export function schemeColour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

const steps = uPlot.paths.stepped?.({ align: -1 });

/** What uPlot is told of a drawing. */
export function optionsOf(drawing: () => Drawing, columns: () => Columns, size: { width: number; height: number }, sync: string | undefined, hooks: Hooks): uPlot.Options {
  const now = drawing();
  const shown = (i: number): boolean => !drawing().hidden.has(drawing().series[i]?.id ?? '');
  return {
    ...size,
    pxAlign: 1,
    ms: 1,
    padding: [8, now.axis === 'elapsed' ? 18 : 26, 0, 0],
    legend: { show: false },
    focus: { alpha: 1 },
    scales: {
      x: { time: now.axis === 'time', range: (_, min, max) => rangeX(drawing(), min, max) },
      y: { distr: now.log ? 3 : 1, range: (u) => rangeY(u, drawing(), columns(), shown) },
    },
    axes: [axis(placeAxis(now.axis)), axis({ size: 56, space: 34, values: (_, splits) => values(splits, drawing()), ...increments(now.ticks), ...(now.log ? logTicks : {}) })],
    series: [{}, ...columns().of.map(({ series, part }): uPlot.Series => seriesOf(drawing, series, part, now))],
    bands: bandsOf(columns(), drawing),
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false, dist: 4 },
      points: { size: (_, i) => (columns().of[i - 1]?.part === 'line' ? 7 : 0) },
      ...(sync ? { sync: { key: sync, setSeries: false, scales: ['x', null] as [string, null], filters: { pub: (type: string) => type === 'mousemove' || type === 'mouseleave' } } } : {}),
      bind: { dblclick: () => () => { hooks.reset(); return null; } },
    },
    hooks: {
      draw: [hooks.draw],
      setCursor: [hooks.cursor],
      setSelect: [(u) => {
        if (u.select.width < 4) return;
        hooks.select(u.posToVal(u.select.left, 'x'), u.posToVal(u.select.left + u.select.width, 'x'));
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      }],
    },
  };
}

const elapsedSteps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 432000, 864000].map((seconds) => seconds * 1000);

// There is no half step.
const wholeSteps = Array.from({ length: 16 }, (_, power) => [1, 2, 5].map((one) => one * 10 ** power)).flat();

function placeAxis(kind: Drawing['axis']): uPlot.Axis {
  if (kind === 'time') return { size: 42, space: 80, values: clockTicks };
  if (kind === 'elapsed') return { size: 28, values: (_, splits) => splits.map((place) => (place === 0 ? '0' : duration(place).replace(/ 0[smh]$/, '').replace('.0', ''))), incrs: elapsedSteps, space: 80 };
  return { size: 28, values: (_, splits) => tickTexts(splits), space: 56, incrs: wholeSteps };
}

function axis(more: uPlot.Axis): uPlot.Axis {
  return {
    stroke: () => schemeColour('--text-3'),
    grid: { stroke: () => schemeColour('--line'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
    gap: 6,
    ...more,
  };
}

// Hours by the 24-hour clock, the date below where it changes.
const clockTicks: uPlot.Axis.Values = [
  [86_400_000, '{D} {MMM}', null, null, null, null, null, null, 1],
  [3_600_000, '{HH}:{mm}', '\n{D} {MMM}', null, '\n{D} {MMM}', null, null, null, 1],
  [60_000, '{HH}:{mm}', '\n{D} {MMM}', null, '\n{D} {MMM}', null, null, null, 1],
  [1_000, '{HH}:{mm}:{ss}', '\n{D} {MMM}', null, '\n{D} {MMM}', null, null, null, 1],
];

function increments(ticks: Drawing['ticks']): { incrs?: number[] } {
  if (ticks === 'bytes') return { incrs: Array.from({ length: 50 }, (_, i) => 2 ** i) };
  if (ticks === 'whole') return { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] };
  return {};
}

// At powers of ten, and between them where these are few.
const logTicks: uPlot.Axis = {
  splits: (_, __, min, max) => logSplits(min, max),
  filter: (_, splits) => splits,
  grid: { stroke: () => schemeColour('--line'), width: 1, filter: (_, splits) => splits },
};

function seriesOf(drawing: () => Drawing, series: number, part: string, now: Drawing): uPlot.Series {
  const colour = (): string => schemeColour(colourName(drawing().series[series]?.colour ?? 1));
  const one = now.series[series]!;
  const common: uPlot.Series = {
    show: !now.hidden.has(one.id), points: one.sparse || one.x.length < 3 ? { size: 5 } : { show: false },
    spanGaps: one.sparse ?? false,
    ...(now.kind === 'steps' && steps ? { paths: steps } : {}),
  };
  if (part === 'low' || part === 'high') return { ...common, width: 0, stroke: 'transparent', points: { show: false } };
  if (part === 'raw') return { ...common, width: 1, stroke: () => faint(colour(), 0.3), points: { show: false } };
  if (now.kind === 'stacked') return { ...common, width: 1, stroke: () => schemeColour('--surface'), fill: colour, points: { show: false } };
  return { ...common, width: 1.75, stroke: colour };
}

function bandsOf(columns: Columns, drawing: () => Drawing): uPlot.Band[] {
  return columns.of.flatMap(({ series, part }, i) =>
    part === 'high' ? [{ series: [i + 1, i] as [number, number], fill: () => faint(schemeColour(colourName(drawing().series[series]?.colour ?? 1)), 0.16) }] : []);
}

function rangeX(drawing: Drawing, min: number | null, max: number | null): [number, number] {
  // Fractions of a millisecond would put ticks just before the hour.
  if (drawing.range) return drawing.axis === 'time' ? [Math.floor(drawing.range[0]), Math.ceil(drawing.range[1])] : [drawing.range[0], drawing.range[1]];
  if (min === null || max === null) return drawing.axis === 'time' ? [Date.now() - 60_000, Date.now()] : [0, 1];
  return min === max ? [min - 1, max + 1] : drawing.axis === 'time' ? [Math.floor(min), Math.ceil(max)] : [min, max];
}

function rangeY(u: uPlot, drawing: Drawing, columns: Columns, shown: (i: number) => boolean): [number, number] {
  const [from, to] = u.series[0]?.idxs ?? [0, columns.data[0].length - 1];
  const found = extent(columns, shown, from, to, drawing.kind === 'stacked');
  if (!found) return drawing.log ? [0.1, 1] : [0, 1];
  const [low, high] = found;
  if (drawing.log) return low === high ? [low / 2, high * 2] : [low * 0.95, high * 1.05];
  if (drawing.fromZero || drawing.kind === 'stacked') return [Math.min(0, low), high > 0 ? high * 1.1 : 1];
  return padded(low, high);
}

function values(splits: (number | null)[], drawing: Drawing): (string | null)[] {
  return splits.map((split) => (split === null ? null : drawing.format(split)));
}

function faint(colour: string, alpha: number): string {
  const value = /^#([0-9a-f]{6})$/i.exec(colour)?.[1];
  return value ? `#${value}${Math.round(alpha * 255).toString(16).padStart(2, '0')}` : colour;
}
