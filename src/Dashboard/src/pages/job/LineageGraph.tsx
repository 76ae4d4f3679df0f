import { useEffect, useRef, useState } from 'preact/hooks';
import type { Checkpoint } from '../../api/types';
import { count, short } from '../../format/numbers';
import type { Lane } from './lineage';

const narrowest = 560;
const rowHeight = 44;
const left = 88;
const right = 24;
const top = 22;

interface Props {
  lanes: readonly Lane[];
  totalSteps: number;
  step: number;
  pointed: string | null;
  onPoint: (name: string | null) => void;
  /** Going back is possible. */
  onChoose?: (checkpoint: Checkpoint) => void;
}

/** Lineages as lanes over the steps: each branches off where training went back. */
export function LineageGraph({ lanes, totalSteps, step, pointed, onPoint, onChoose }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(1000);
  useEffect(() => {
    const element = frame.current;
    if (!element) return undefined;
    // What was observed may be told once more after it has gone.
    const observer = new ResizeObserver(() => element.isConnected && setWidth(Math.max(narrowest, element.clientWidth - 32)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const end = Math.max(1, ...lanes.map((lane) => lane.toStep), Math.min(totalSteps, step * 1.05));
  const x = (one: number): number => left + (one / end) * (width - left - right);
  const y = (row: number): number => top + row * rowHeight;
  const height = top + lanes.length * rowHeight + 6;
  const between = roundUp(end / 8);
  const ticks = Array.from({ length: Math.floor(end / between) + 1 }, (_, i) => i * between);
  return (
    <div ref={frame} class="graph-frame" tabIndex={0} role="group" aria-label="Graph of lineages">
      <svg class="lineage-graph" viewBox={`0 0 ${width} ${height + 18}`} width={width} height={height + 18} role="img"
        aria-label={lanes.map((lane) => `Lineage ${lane.lineage} from step ${count(lane.fromStep)} to ${count(lane.toStep)} with ${lane.checkpoints.length} checkpoints${lane.current ? ', current' : ''}`).join('; ')}>
        {ticks.map((tick) => (
          <g key={tick} class="tick">
            <line x1={x(tick)} x2={x(tick)} y1={4} y2={height - 8} />
            <text x={x(tick)} y={height + 10} text-anchor="middle">{short(tick)}</text>
          </g>
        ))}
        {lanes.map((lane) => (
          <g key={lane.lineage} class={`lane${lane.current ? ' current' : ''}`}>
            {lane.parent !== null && <path class="branch" d={`M${x(lane.fromStep)} ${y(lane.parent)}C${x(lane.fromStep)} ${y(lane.row) - 8} ${x(lane.fromStep) - 10} ${y(lane.row)} ${x(lane.fromStep)} ${y(lane.row)}`} />}
            <line class="way" x1={x(lane.fromStep)} x2={x(lane.toStep)} y1={y(lane.row)} y2={y(lane.row)} />
            <text class="lane-name" x={0} y={y(lane.row) + 4}>Lineage {lane.lineage}</text>
            {lane.current && <circle class="now" cx={x(lane.toStep)} cy={y(lane.row)} r={4} />}
            {lane.checkpoints.map((one) => (
              <circle key={one.name} class={`checkpoint${one.kept ? ' kept' : ''}${pointed === one.name ? ' pointed' : ''}`} cx={x(one.step)} cy={y(lane.row)} r={(one.kept ? 6 : 2.5) + (pointed === one.name ? 2 : 0)}
                onPointerEnter={() => onPoint(one.name)} onPointerLeave={() => onPoint(null)} onClick={() => one.kept && onChoose?.(one)}>
                <title>{`${one.name}, step ${count(one.step)}${one.kept ? (onChoose ? ': go back to here' : '') : ', no longer kept'}`}</title>
              </circle>
            ))}
          </g>
        ))}
      </svg>
    </div>
  );
}

/** The next of 1, 2, 5, 10, 20, … */
function roundUp(value: number): number {
  const magnitude = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return magnitude * ([1, 2, 5, 10].find((one) => one * magnitude >= value) ?? 10);
}
