import type { RankSample } from '../../api/types';
import type { Colour } from '../../charts/model';

export interface Phase {
  name: string;
  colour: Colour;
  of: (sample: RankSample) => number;
}

/** What a step's time goes into, in the order in which it happens. */
export const phases: readonly Phase[] = [
  { name: 'Data', colour: 'phase-1', of: (sample) => sample.dataMilliseconds },
  { name: 'Forward', colour: 'phase-2', of: (sample) => sample.forwardMilliseconds },
  { name: 'Backward', colour: 'phase-3', of: (sample) => sample.backwardMilliseconds },
  { name: 'Reduce', colour: 'phase-4', of: (sample) => sample.reduceMilliseconds },
  { name: 'Update', colour: 'phase-5', of: (sample) => sample.updateMilliseconds },
  { name: 'Other', colour: 'phase-6', of: (sample) => sample.otherMilliseconds },
];

/** A step's whole time. */
export function total(sample: RankSample): number {
  return phases.reduce((sum, phase) => sum + phase.of(sample), 0);
}

/** What all ranks take for each phase, or one does, over steps. */
export interface PhaseTimes {
  step: number[];
  /** For each phase a value for each step. */
  times: number[][];
}

/** The phases of one rank, or their means over the ranks (null): samples of about the same step are taken together. */
export function phaseTimes(samples: readonly RankSample[], rank: number | null, most: number): PhaseTimes {
  const chosen = rank === null ? samples : samples.filter((sample) => sample.rank === rank);
  const groups = groupBySteps(chosen, most);
  return {
    step: groups.map((group) => group.step),
    times: phases.map((phase) => groups.map((group) => group.samples.reduce((sum, sample) => sum + phase.of(sample), 0) / group.samples.length)),
  };
}

interface Group {
  /** The last step in it. */
  step: number;
  samples: RankSample[];
}

/** Brings samples of neighbouring steps together into at most so many groups. */
export function groupBySteps(samples: readonly RankSample[], most: number): Group[] {
  if (samples.length === 0) return [];
  const sorted = [...samples].sort((a, b) => a.step - b.step);
  const first = sorted[0]!.step;
  const span = Math.max(1, sorted.at(-1)!.step - first + 1);
  // As many groups as one rank has samples: in each, every rank then has about one.
  const ranks = new Set(samples.map((sample) => sample.rank)).size;
  const size = Math.max(1, span / Math.max(1, Math.min(most, Math.floor(samples.length / ranks))));
  const groups: Group[] = [];
  let newest = -1;
  for (const sample of sorted) {
    const at = Math.floor((sample.step - first) / size);
    if (at !== newest) groups.push({ step: sample.step, samples: [] });
    newest = at;
    const group = groups.at(-1)!;
    group.step = sample.step;
    group.samples.push(sample);
  }
  return groups;
}

/** Each rank's samples, by rank, in order. */
export function byRank(samples: readonly RankSample[]): Map<number, RankSample[]> {
  const ranks = new Map<number, RankSample[]>();
  for (const sample of [...samples].sort((a, b) => a.rank - b.rank || a.step - b.step)) {
    const own = ranks.get(sample.rank);
    if (own) own.push(sample);
    else ranks.set(sample.rank, [sample]);
  }
  return ranks;
}

/** Adds new samples, and leaves every second of a rank's out where there are too many. */
export function addSamples(samples: readonly RankSample[], more: readonly RankSample[], mostOfRank: number): RankSample[] {
  const known = new Map([...byRank(samples)].map(([rank, own]) => [rank, own.at(-1)!]));
  const later = more.filter((sample) => {
    const last = known.get(sample.rank);
    const later = !last || sample.step > last.step || sample.generation > last.generation;
    if (later) known.set(sample.rank, sample);
    return later;
  });
  return [...byRank([...samples, ...later]).values()].flatMap((own) => (own.length > mostOfRank ? own.filter((_, i) => (own.length - 1 - i) % 2 === 0) : own));
}

/** The middle one of numbers; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length === 0 ? NaN : sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
