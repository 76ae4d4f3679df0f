import { axisNames, placeText, type XAxis } from './axes';
import type { ChartSeries } from './model';

const mostRows = 200;

/** The values of a chart's part as a table; of very many, every so manieth. */
export function ChartTable({ title, series, axis, range, format }: {
  title: string;
  series: readonly ChartSeries[];
  axis: XAxis;
  range: readonly [number, number] | null;
  format: (value: number) => string;
}) {
  const places = [...new Set(series.flatMap((one) => one.x.filter((x) => !range || (x >= range[0] && x <= range[1]))))].sort((a, b) => a - b);
  const every = Math.max(1, Math.ceil(places.length / mostRows));
  const shown = places.filter((_, i) => i % every === 0 || i === places.length - 1);
  const values = series.map((one) => new Map(one.x.map((x, i) => [x, one.mean[i] ?? NaN])));
  const textOf = (value: number | undefined, sparse: boolean | undefined): string => (value === undefined || (sparse && Number.isNaN(value)) ? '' : format(value));
  return (
    <div class="chart-table" tabIndex={0} role="region" aria-label={`Values of ${title}`}>
      <table class="data">
        <thead><tr><th scope="col">{axisNames[axis]}</th>{series.map((one) => <th key={one.id} scope="col" class="right">{one.label}</th>)}</tr></thead>
        <tbody>
          {shown.map((x) => (
            <tr key={x}>
              <td class="number">{axis === 'step' ? Math.round(x).toLocaleString('en') : placeText(axis, x)}</td>
              {values.map((one, i) => <td key={i} class="right">{textOf(one.get(x), series[i]!.sparse)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
      {every > 1 && <p class="muted">Every {every}th of {places.length} rows; the CSV has all.</p>}
    </div>
  );
}
