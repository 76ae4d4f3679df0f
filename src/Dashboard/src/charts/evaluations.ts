import type { MetricPoint } from '../api/types';
import { number } from '../format/numbers';
import type { ChartSeries } from './model';

/** What a step's evaluation measured beside the loss. */
export interface Evaluation {
  readonly step: number;
  readonly measures: Readonly<Record<string, number>>;
}

/** A chart's measures. */
export interface MeasureGroup {
  /** Such as "Held-out BLEU"; what it is saved as ends with the name. */
  title: string;
  name: string;
  series: ChartSeries[];
}

const names: Readonly<Record<string, string>> = {
  accuracy: 'Accuracy', bleu: 'BLEU', 'exact-match': 'Exact match', f1: 'F1', 'macro-f1': 'Macro F1', 'micro-f1': 'Micro F1', matthews: 'Matthews', pearson: 'Pearson', spearman: 'Spearman',
};
// A task of the user's own may measure as many as it likes.
const mostCharts = 4;
const colours = 8;

/** The name of a measure for people. */
export function measureName(measure: string): string {
  return names[measure] ?? measure.charAt(0).toUpperCase() + measure.slice(1);
}

/** The measures that are shown, in order; of two classes not the means of F1 over them. */
export function shownMeasures(measures: readonly string[]): string[] {
  const all = [...new Set(measures)].sort();
  return all.includes('f1') ? all.filter((measure) => measure !== 'macro-f1' && measure !== 'micro-f1') : all;
}

/** Adds the evaluations among points of later steps; beyond the limit every second one of the older is left out. */
export function addEvaluations(known: readonly Evaluation[], points: readonly MetricPoint[], limit: number): readonly Evaluation[] {
  const end = known.at(-1)?.step ?? 0;
  const later = points.filter((point) => point.step > end && point.measures && Object.keys(point.measures).length > 0).sort((a, b) => a.step - b.step);
  if (later.length === 0) return known;
  let all: readonly Evaluation[] = [
    ...known, ...later.map(({ step, measures }) => ({ step, measures: Object.fromEntries(Object.entries(measures!).map(([name, value]) => [name, number(value)])) })),
  ];
  while (all.length > limit) all = all.filter((_, i) => (all.length - 1 - i) % 2 === 0);
  return all;
}

/** Forgets those after a step: training has gone back to it. */
export function cutEvaluations(known: readonly Evaluation[], step: number): readonly Evaluation[] {
  return known.some((one) => one.step > step) ? known.filter((one) => one.step <= step) : known;
}

/**
 * Evaluations as charts: what lies between -1 and 1 together, each other measure by itself.
 * @param place The place of a step on the charts' axis.
 */
export function measureGroups(evaluations: readonly Evaluation[], place: (step: number) => number): MeasureGroup[] {
  const found = shownMeasures(evaluations.flatMap((one) => Object.keys(one.measures)));
  const isShare = (measure: string): boolean => evaluations.every((one) => !(Math.abs(one.measures[measure] ?? 0) > 1));
  const shares = found.filter(isShare);
  const series = (measures: readonly string[]): ChartSeries[] => {
    const x = evaluations.map((one) => place(one.step));
    return measures.map((measure, i): ChartSeries => ({
      id: measure, label: measureName(measure), colour: (i % colours) + 1, x, mean: evaluations.map((one) => one.measures[measure] ?? NaN), sparse: true,
    }));
  };
  const alone = found.filter((measure) => !shares.includes(measure)).slice(0, mostCharts);
  return [
    ...(shares.length > 0 ? [{ title: shares.length === 1 ? `Held-out ${lower(shares[0]!)}` : 'Held-out measures', name: 'measures', series: series(shares) }] : []),
    ...alone.map((measure) => ({ title: `Held-out ${lower(measure)}`, name: measure, series: series([measure]) })),
  ];
}

// Names that are no words stay as they are written.
function lower(measure: string): string {
  const name = measureName(measure);
  return /^[A-Z][a-z]/.test(name) && !['Matthews', 'Pearson', 'Spearman'].includes(name) ? name.charAt(0).toLowerCase() + name.slice(1) : name;
}
