import type { Checkpoint, Generation } from '../../api/types';
import type { Buckets } from '../../charts/buckets';

/** A lineage as a lane of the drawing. */
export interface Lane {
  lineage: number;
  /** Counted from the top. */
  row: number;
  fromStep: number;
  toStep: number;
  /** The row of the lineage that it branches off from; null of the first. */
  parent: number | null;
  /** No newer lineage has taken over from it. */
  current: boolean;
  checkpoints: Checkpoint[];
}

/** Lanes of lineages, oldest first: each begins where it went back to, and reaches as far as it got. */
export function lanesOf(generations: readonly Generation[], checkpoints: readonly Checkpoint[], current: number, step: number): Lane[] {
  const numbers = [...new Set([...generations.map((one) => one.lineage), ...checkpoints.map((one) => one.lineage), current])].sort((a, b) => a - b);
  return numbers.map((lineage, row) => {
    const own = checkpoints.filter((one) => one.lineage === lineage).sort((a, b) => a.step - b.step);
    const begun = generations.filter((one) => one.lineage === lineage).map((one) => one.firstStep - 1);
    const known = [...begun, ...own.map((one) => one.step)].filter((one) => one >= 0);
    const fromStep = begun.length > 0 ? Math.max(0, Math.min(...begun)) : row === 0 ? 0 : (own[0]?.step ?? 0);
    return {
      lineage, row, fromStep, checkpoints: own, parent: row > 0 ? row - 1 : null, current: lineage === current,
      toStep: lineage === current ? Math.max(step, fromStep, ...known) : Math.max(fromStep, ...known),
    };
  });
}

/** How far a lineage is known to have got: its newest generation may have gone on after its start. */
export function withReach(lanes: readonly Lane[], reached: ReadonlyMap<number, number>): Lane[] {
  return lanes.map((lane) => ({ ...lane, toStep: Math.max(lane.toStep, reached.get(lane.lineage) ?? 0) }));
}

/** The furthest step of each lineage that the history tells of. */
export function reachOf(history: readonly { lineage: number; step: number }[]): Map<number, number> {
  const reached = new Map<number, number>();
  for (const { lineage, step } of history) reached.set(lineage, Math.max(step, reached.get(lineage) ?? 0));
  return reached;
}

/** The held-out loss that was measured last up to a checkpoint; null where none was, or where the lineage that it was measured in was given up before. */
export function heldOutAt(checkpoint: Checkpoint, buckets: Buckets, generations: readonly Generation[]): { loss: number; step: number } | null {
  if (generations.some((one) => one.lineage > checkpoint.lineage && one.firstStep <= checkpoint.step)) return null;
  const losses = buckets.columns.heldOutLoss.mean;
  for (let i = losses.length - 1; i >= 0; i--)
    if (buckets.first[i]! <= checkpoint.step && Number.isFinite(losses[i])) return { loss: losses[i]!, step: Math.min(checkpoint.step, buckets.last[i]!) };
  return null;
}
