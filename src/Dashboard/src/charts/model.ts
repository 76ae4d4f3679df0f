import type { XAxis } from './axes';
import type { Mark } from './marks';

/** Which of the scheme's eight colours of curves, 1 to 8, or of its six of phases. */
export type Colour = number | `phase-${number}`;

/** The scheme's custom property of a colour. */
export function colourName(colour: Colour): string {
  return typeof colour === 'number' ? `--series-${colour}` : `--${colour}`;
}

/** The class of its swatch. */
export function swatch(colour: Colour): string {
  return typeof colour === 'number' ? `swatch s${colour}` : `swatch ${colour}`;
}

/** One curve of a chart: a run's, a rank's or a phase's. */
export interface ChartSeries {
  id: string;
  label: string;
  colour: Colour;
  /** Places on the chart's axis, rising. */
  x: readonly number[];
  /** NaN where there is none. */
  mean: readonly number[];
  /** What the values of a bucket lie between; left out where a place is a single value. */
  min?: readonly number[];
  max?: readonly number[];
  /** How smoothing sees it; left out where neighbours are alike far from each other. */
  smoothing?: SmoothingPlaces;
  /** The curve goes on over places without a value. Otherwise these are gaps, and marked as values that are not finite. */
  sparse?: boolean;
}

/** Smoothing is by the distance in steps, so that it is the same however many steps a value stands for. */
export interface SmoothingPlaces {
  /** Of each place, in units of the distance that the chosen weight is for. */
  at: readonly number[];
  /** What comes before the part that is shown: it is smoothed from there on. */
  before?: { at: readonly number[]; mean: readonly number[] };
}

/** A mark with its place on the chart's axis. */
export interface PlacedMark extends Mark {
  place: number;
}

export type ChartKind = 'line' | 'steps' | 'stacked';

/** All that a drawing depends on. */
export interface Drawing {
  series: readonly ChartSeries[];
  axis: XAxis;
  kind: ChartKind;
  log: boolean;
  /** 0 (none) to 100. */
  smoothing: number;
  marks: readonly PlacedMark[];
  /** The part of the axis that is shown; null for all of it. */
  range: readonly [number, number] | null;
  /** What of the axis there is; null where it is not known. */
  whole: readonly [number, number] | null;
  /** Ids of series that are switched off. */
  hidden: ReadonlySet<string>;
  format: (value: number) => string;
  /** The value axis begins at zero. */
  fromZero: boolean;
  /** Where the value axis has its ticks. */
  ticks: 'decimal' | 'bytes' | 'whole';
}

/** What the cursor points at: a value of each series, NaN where it has none. */
export interface Hover {
  place: number;
  values: readonly HoverValue[];
}

export interface HoverValue {
  /** Smoothed if the chart is. */
  value: number;
  /** It is there, but is not finite. */
  bad: boolean;
  raw: number;
  min: number;
  max: number;
}
