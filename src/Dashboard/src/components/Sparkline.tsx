import { linePath } from '../format/line';
import type { Num } from '../api/types';

/** A small line without axes, such as of a job's loss. */
export function Sparkline({ values, label, live = false, width = 132, height = 34 }: { values: readonly Num[]; label: string; live?: boolean; width?: number; height?: number }) {
  const { line, area, end } = linePath(values, width, height, 3);
  if (!end) return <span class="muted">–</span>;
  return (
    <svg class="sparkline" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      {area && <path class="area" d={area} />}
      <path class="line" d={line} />
      <circle class={live ? 'end live' : 'end'} cx={end.x} cy={end.y} r="2.4" />
    </svg>
  );
}
