import type uPlot from 'uplot';
import { labelsOf, place, type MarkKind, type Placed } from './marks';
import type { PlacedMark } from './model';

const colours: Readonly<Record<MarkKind, string>> = {
  generation: '--text-3', failure: '--failed', back: '--preparing', checkpoint: '--succeeded', selected: '--accent',
};
const apart: Readonly<Record<MarkKind, number>> = { generation: 4, failure: 6, back: 4, checkpoint: 9, selected: 1 };
const font = 11;

/** Draws marks over a chart: lines for what changes a run, a small triangle at the foot for a checkpoint. */
export function drawMarks(u: uPlot, marks: readonly PlacedMark[], colour: (name: string) => string): Placed[] {
  const ratio = window.devicePixelRatio;
  const { left, top, width, height } = u.bbox;
  const leftOf = (mark: PlacedMark): number => u.valToPos(mark.place, 'x');
  const kinds: MarkKind[] = ['checkpoint', 'generation', 'back', 'failure', 'selected'];
  const placed = kinds.flatMap((kind) =>
    place(marks.filter((mark) => mark.kind === kind), (mark) => leftOf(mark as PlacedMark), width / ratio, apart[kind]));
  const { ctx } = u;
  ctx.save();
  ctx.lineWidth = ratio;
  ctx.font = `${font * ratio}px system-ui, sans-serif`;
  ctx.textBaseline = 'top';
  for (const one of placed) {
    const x = Math.round(left + one.left * ratio) + 0.5;
    ctx.fillStyle = ctx.strokeStyle = colour(colours[one.mark.kind]);
    if (one.mark.kind === 'checkpoint') triangle(ctx, x, top + height, ratio);
    else line(ctx, x, top, height, one.mark.kind, ratio);
  }
  const write = (which: (kind: MarkKind) => boolean, row: number): void => {
    for (const label of labelsOf(placed.filter((one) => which(one.mark.kind)), width / ratio, (text) => ctx.measureText(text).width / ratio)) {
      ctx.textAlign = label.leftwards ? 'right' : 'left';
      ctx.fillText(label.text, left + (label.left + (label.leftwards ? -4 : 4)) * ratio, top + 1 + row * (font + 3) * ratio);
    }
  };
  ctx.globalAlpha = 0.95;
  ctx.setLineDash([]);
  ctx.fillStyle = colour('--text-2');
  write((kind) => kind === 'generation' || kind === 'back', 0);
  ctx.fillStyle = colour(colours.selected);
  write((kind) => kind === 'selected', 1);
  ctx.restore();
  return placed;
}

function line(ctx: CanvasRenderingContext2D, x: number, top: number, height: number, kind: MarkKind, ratio: number): void {
  ctx.globalAlpha = kind === 'generation' ? 0.55 : 0.9;
  ctx.setLineDash(kind === 'generation' ? [3 * ratio, 3 * ratio] : []);
  ctx.beginPath();
  ctx.moveTo(x, top);
  ctx.lineTo(x, top + height);
  ctx.stroke();
  if (kind !== 'failure') return;
  const arm = 3.5 * ratio;
  const y = top + 18 * ratio;
  ctx.lineWidth = 1.8 * ratio;
  ctx.beginPath();
  ctx.moveTo(x - arm, y - arm);
  ctx.lineTo(x + arm, y + arm);
  ctx.moveTo(x + arm, y - arm);
  ctx.lineTo(x - arm, y + arm);
  ctx.stroke();
  ctx.lineWidth = ratio;
}

function triangle(ctx: CanvasRenderingContext2D, x: number, foot: number, ratio: number): void {
  const side = 4 * ratio;
  ctx.globalAlpha = 0.9;
  ctx.beginPath();
  ctx.moveTo(x - side, foot);
  ctx.lineTo(x + side, foot);
  ctx.lineTo(x, foot - 1.7 * side);
  ctx.closePath();
  ctx.fill();
}

/** Crosses at the foot for values that cannot be drawn. */
export function drawBad(u: uPlot, places: readonly number[], stroke: string): void {
  if (places.length === 0) return;
  const ratio = window.devicePixelRatio;
  const { left, top, width, height } = u.bbox;
  const { ctx } = u;
  ctx.save();
  ctx.fillStyle = stroke;
  let last = -Infinity;
  for (const one of places) {
    const x = u.valToPos(one, 'x', true);
    if (x < left || x > left + width || x - last < 4 * ratio) continue;
    last = x;
    ctx.beginPath();
    ctx.arc(x, top + height - 12 * ratio, 2.6 * ratio, 0, 2 * Math.PI);
    ctx.fill();
  }
  ctx.restore();
}
