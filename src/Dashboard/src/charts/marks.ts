import type { Checkpoint, Generation, HistoryEntry } from '../api/types';

export type MarkKind = 'generation' | 'failure' | 'back' | 'checkpoint' | 'selected';

/** Something that happened at a step, drawn on charts. */
export interface Mark {
  kind: MarkKind;
  step: number;
  /** Unix milliseconds, where known. */
  at?: number;
  /** A few characters beside the line. */
  label: string;
  /** Of what begins a generation: its number. */
  generation?: number;
  /** What is said when it is pointed at. */
  text: string;
}

export const markNames: Readonly<Record<Exclude<MarkKind, 'selected'>, string>> = {
  generation: 'Generations', failure: 'Failures', back: 'Going back', checkpoint: 'Checkpoints',
};

/** Periods of membership; a lineage's first is where training went back. */
export function generationMarks(generations: readonly Generation[]): Mark[] {
  return generations.map((one, i) => {
    const before = generations[i - 1];
    const back = before !== undefined && one.lineage > before.lineage;
    const ranks = `${one.worldSize} ${one.worldSize === 1 ? 'rank' : 'ranks'}`;
    return {
      kind: back ? 'back' : 'generation',
      step: one.firstStep,
      ...timeOf(one.startedAt),
      generation: one.generation,
      label: back ? `↩ L${one.lineage}` : `G${one.generation} · ${one.worldSize}`,
      text: back
        ? `Went back: lineage ${one.lineage} goes on from step ${group(one.firstStep)} with ${ranks} (generation ${one.generation})`
        : `Generation ${one.generation} with ${ranks} from step ${group(one.firstStep)}`,
    };
  });
}

const failing = /\b(lost|failed|failure|gone|no rank is left)\b/i;
// A generation that is formed says why: since a rank was lost, or since one got ready.
const ended = /\b(was ended by|is lost|exit code|failed|hangs?|not finite|is bad)\b/i;

/** Whether an entry tells of something that went wrong. What a person did is no failure, whatever words they gave as the reason. */
export function isFailure(entry: HistoryEntry): boolean {
  return !entry.who.startsWith('person:') && (entry.state === 'failed' || failing.test(entry.what) || ended.test(entry.why));
}

/** What went wrong, by the history. */
export function failureMarks(history: readonly HistoryEntry[]): Mark[] {
  return history
    .filter((entry) => entry.step > 0 && isFailure(entry))
    .map((entry) => ({ kind: 'failure', step: entry.step, ...timeOf(entry.at), label: '✕', text: entry.why ? `${entry.what}: ${entry.why}` : entry.what }));
}

export function checkpointMarks(checkpoints: readonly Checkpoint[]): Mark[] {
  return [...checkpoints]
    .sort((a, b) => a.step - b.step)
    .map((one) => ({ kind: 'checkpoint', step: one.step, ...timeOf(one.at), label: '', text: `Checkpoint ${one.name} at step ${group(one.step)}${one.kept ? '' : ', no longer kept'}` }));
}

/** A mark where it is drawn, with those that are too near to be told apart from it. */
export interface Placed {
  mark: Mark;
  /** Pixels from the left. */
  left: number;
  others: Mark[];
}

/** Brings marks of a kind that would be drawn within some pixels of each other together, so that thousands stay readable. */
export function place(marks: readonly Mark[], leftOf: (mark: Mark) => number, width: number, apart: number): Placed[] {
  const newest = new Map<MarkKind, Placed>();
  const placed: Placed[] = [];
  for (const mark of marks) {
    const left = leftOf(mark);
    if (!(left >= 0 && left <= width)) continue;
    const before = newest.get(mark.kind);
    if (before && left - before.left < apart) {
      before.others.push(mark);
      continue;
    }
    const one = { mark, left, others: [] };
    newest.set(mark.kind, one);
    placed.push(one);
  }
  return placed;
}

/** The label of marks that are near each other. */
export interface Label {
  /** Pixels from the left, of the first of them. */
  left: number;
  text: string;
  /** It stands to the left of its mark, since there is no room to the right. */
  leftwards: boolean;
}

const besideMark = 4;
const betweenLabels = 8;

/** Labels that do not lie over each other: generations whose labels would are told together. */
export function labelsOf(placed: readonly Placed[], width: number, measure: (text: string) => number): Label[] {
  const groups: { left: number; marks: Mark[] }[] = [];
  const end = (group: { left: number; marks: Mark[] }): number => group.left + besideMark + measure(labelText(group.marks));
  for (const one of [...placed].sort((a, b) => a.left - b.left)) {
    const before = groups.at(-1);
    const marks = [one.mark, ...one.others];
    if (before && one.left < end(before) + betweenLabels) before.marks.push(...marks);
    else groups.push({ left: one.left, marks });
  }
  // At the right edge there is room to the left of the mark only, unless a label is there already.
  for (let last = groups.at(-1), before = groups.at(-2); last && before && end(last) > width; last = groups.at(-1), before = groups.at(-2)) {
    if (last.left - (end(last) - last.left) >= end(before) + betweenLabels) break;
    groups.pop();
    before.marks.push(...last.marks);
  }
  return groups.map((group) => ({ left: group.left, text: labelText(group.marks), leftwards: end(group) > width }));
}

function labelText(marks: readonly Mark[]): string {
  const numbers = marks.flatMap((mark) => mark.generation ?? []);
  if (marks.length === 1 || numbers.length < 2) return marks[0]!.label;
  return `${marks.some((mark) => mark.kind === 'back') ? '↩ ' : ''}G${Math.min(...numbers)}–${Math.max(...numbers)}`;
}

function timeOf(at: string | undefined): { at?: number } {
  return at ? { at: Date.parse(at) } : {};
}

function group(step: number): string {
  return step.toLocaleString('en');
}
