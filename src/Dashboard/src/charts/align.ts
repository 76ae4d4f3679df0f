/** A curve with places of its own. */
export interface Curve {
  /** Rising. */
  x: readonly number[];
  columns: readonly (readonly (number | null)[])[];
}

export type Aligned = [number[], ...(number | null | undefined)[][]];

/** Puts curves over the same places: `undefined` where a curve has none there (the line goes on), `null` where it has a gap. */
export function align(curves: readonly Curve[]): Aligned {
  const first = curves[0];
  if (!first) return [[]];
  if (curves.every((curve) => curve.x === first.x)) return [[...first.x], ...curves.flatMap((curve) => curve.columns.map((column) => [...column]))];
  const places = Float64Array.from(curves.flatMap((curve) => curve.x)).sort();
  const x: number[] = [];
  for (const place of places) if (x.at(-1) !== place) x.push(place);
  const aligned: Aligned = [x];
  for (const curve of curves) {
    const at = placesOf(x, curve.x);
    for (const column of curve.columns) {
      const values = new Array<number | null | undefined>(x.length).fill(undefined);
      for (let i = 0; i < at.length; i++) values[at[i]!] = column[i] ?? null;
      aligned.push(values);
    }
  }
  return aligned;
}

function placesOf(all: readonly number[], own: readonly number[]): number[] {
  let i = 0;
  return own.map((place) => {
    while (all[i]! < place) i++;
    return i;
  });
}

/** The index of the value nearest to one, in rising values; -1 of none. */
export function nearest(values: readonly number[], value: number): number {
  if (values.length === 0) return -1;
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low > 0 && value - values[low - 1]! <= values[low]! - value ? low - 1 : low;
}
