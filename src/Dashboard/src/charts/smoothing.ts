/**
 * An exponential mean, without the pull towards the first value that a plain one has: weights are made to add up to one.
 * What is not finite is left as it is and does not count.
 * @param weight Of what came before, from 0 (none) to below 1, for values a distance of one apart; less so the farther they are.
 * @param places Where the values are, rising, in units of that distance; one apart if left out.
 */
export function smooth(values: readonly (number | null)[], weight: number, places?: readonly number[]): (number | null)[] {
  if (!(weight > 0)) return [...values];
  const distances = distancesOf(values, places);
  let sum = 0;
  let total = 0;
  return values.map((value, i) => {
    if (value === null || !Number.isFinite(value)) return value;
    const kept = weight ** distances[i]!;
    sum = sum * kept + value * (1 - kept);
    total = total * kept + (1 - kept);
    return total > 0 ? sum / total : value;
  });
}

// From the value before each; of the first, to the next.
function distancesOf(values: readonly (number | null)[], places: readonly number[] | undefined): number[] {
  const distances = values.map(() => 1);
  if (!places) return distances;
  const known = values.map((_, i) => i).filter((i) => Number.isFinite(values[i] ?? NaN));
  known.forEach((i, at) => {
    const [from, to] = at > 0 ? [known[at - 1]!, i] : [i, known[1] ?? i];
    distances[i] = Math.max(0, places[to]! - places[from]!) || (at === 0 ? 1 : 0);
  });
  return distances;
}

/** The weight for a position of the slider, 0 to 100: finer towards the end, where it matters. */
export function weightOf(position: number): number {
  return position <= 0 ? 0 : Math.min(0.999, 1 - (1 - Math.min(position, 100) / 100) ** 2);
}
