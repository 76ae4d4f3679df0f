import uPlot from 'uplot';
import { within } from './axes';
import { columnsOf, type Columns } from './columns';
import type { Placed } from './marks';
import type { Drawing, Hover } from './model';
import { drawBad, drawMarks } from './plotMarks';
import { optionsOf, schemeColour } from './plotOptions';

export interface PlotEvents {
  /** Null once the cursor has left. */
  hover: (hover: Hover | null) => void;
  /** The mark that is pointed at, and how far from the left of the plot's element it is drawn. */
  mark: (mark: Placed | null, left: number) => void;
  /** A part of the axis was chosen by dragging. */
  select: (from: number, to: number) => void;
  /** All of it was asked for. */
  reset: () => void;
}

const markReach = 6;
const footReach = 28;
// Of two fingers, in pixels.
const leastSpan = 12;

/**
 * A chart's canvas. It is drawn at most once an animation frame, and not while it cannot be seen: what it would have shown then is
 * drawn when it can be seen again.
 */
export class Plot {
  private drawing: Drawing;
  private columns: Columns;
  private u: uPlot | null = null;
  private shape = '';
  private frame = 0;
  private seen = true;
  private stale = false;
  private placed: Placed[] = [];
  private inside = false;
  private destroyed = false;
  private readonly observers: { disconnect(): void }[] = [];
  private readonly onVisibility = (): void => this.request();

  constructor(private readonly host: HTMLElement, drawing: Drawing, private readonly events: PlotEvents, private readonly sync: string | undefined) {
    this.drawing = drawing;
    this.columns = columnsOf(drawing);
    const resize = new ResizeObserver(() => {
      if (!this.destroyed && this.host.isConnected) this.u?.setSize(this.size());
    });
    resize.observe(host);
    const intersection = new IntersectionObserver((entries) => {
      this.seen = entries.at(-1)?.isIntersecting ?? true;
      if (this.stale) this.request();
    }, { rootMargin: '200px' });
    intersection.observe(host);
    this.observers.push(resize, intersection);
    document.addEventListener('visibilitychange', this.onVisibility);
    this.stale = true;
    this.request();
  }

  /** Shows something else, or the same in other colours. */
  update(drawing: Drawing): void {
    this.drawing = drawing;
    this.stale = true;
    this.request();
  }

  destroy(): void {
    this.destroyed = true;
    cancelAnimationFrame(this.frame);
    for (const observer of this.observers) observer.disconnect();
    document.removeEventListener('visibilitychange', this.onVisibility);
    this.u?.destroy();
    this.u = null;
  }

  /** What is drawn, for pictures. */
  get canvas(): HTMLCanvasElement | null {
    return this.u?.ctx.canvas ?? null;
  }

  /** Moves the cursor by so many pixels, for those without a pointer. */
  step(pixels: number): void {
    if (!this.u) return;
    const width = this.u.over.clientWidth;
    const from = (this.u.cursor.left ?? -1) < 0 ? (pixels > 0 ? 0 : width) : this.u.cursor.left!;
    this.inside = true;
    this.u.setCursor({ left: Math.max(0, Math.min(width - 1, from + pixels)), top: this.u.over.clientHeight / 2 });
  }

  /** Halves what is shown, around the cursor. */
  zoomIn(): void {
    if (!this.u) return;
    const { min = 0, max = 1 } = this.u.scales['x']!;
    const at = (this.u.cursor.left ?? -1) >= 0 ? this.u.posToVal(this.u.cursor.left!, 'x') : (min + max) / 2;
    this.events.select(Math.max(min, at - (max - min) / 4), Math.min(max, at + (max - min) / 4));
  }

  /** Doubles what is shown, around its middle, up to all of it. */
  zoomOut(): void {
    if (!this.u || !this.drawing.range) return;
    const { min = 0, max = 1 } = this.u.scales['x']!;
    this.show([min - (max - min) / 2, max + (max - min) / 2]);
  }

  /** Shows what is beside, by so great a share of what is shown; false where all of it is. */
  pan(share: number): boolean {
    const { min = 0, max = 1 } = this.u?.scales['x'] ?? {};
    const { whole } = this.drawing;
    if (!this.u || !whole || min <= whole[0] && max >= whole[1]) return false;
    this.show([min + (max - min) * share, max + (max - min) * share]);
    return true;
  }

  private show(part: readonly [number, number]): void {
    const found = this.drawing.whole && within(part, this.drawing.whole);
    if (found) this.events.select(found[0], found[1]);
    else this.events.reset();
  }

  leave(): void {
    this.inside = false;
    this.u?.setCursor({ left: -10, top: -10 });
  }

  private request(): void {
    if (this.destroyed || this.frame || document.hidden || !this.seen || !this.stale) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  private draw(): void {
    this.stale = false;
    this.columns = columnsOf(this.drawing);
    const { series, kind, log, axis, hidden } = this.drawing;
    const shape = JSON.stringify([kind, log, axis, series.map((one) => [one.id, hidden.has(one.id), one.sparse, one.x.length < 3]), this.columns.of]);
    if (this.u && shape === this.shape) {
      this.u.setData(this.columns.data as uPlot.AlignedData, true);
      return;
    }
    this.shape = shape;
    this.u?.destroy();
    this.u = new uPlot(this.options(), this.columns.data as uPlot.AlignedData, this.host);
    this.listen(this.u.over);
  }

  private options(): uPlot.Options {
    return optionsOf(() => this.drawing, () => this.columns, this.size(), this.sync, {
      draw: (u) => this.overlay(u),
      cursor: (u) => this.pointed(u),
      select: this.events.select,
      reset: this.events.reset,
    });
  }

  private size(): { width: number; height: number } {
    return { width: Math.max(120, this.host.clientWidth), height: Math.max(80, this.host.clientHeight) };
  }

  private overlay(u: uPlot): void {
    this.columns.bad.forEach((places, i) => {
      const one = this.drawing.series[i];
      if (one && !this.drawing.hidden.has(one.id)) drawBad(u, places, schemeColour('--failed'));
    });
    this.placed = drawMarks(u, this.drawing.marks, schemeColour);
  }

  private pointed(u: uPlot): void {
    const left = u.cursor.left ?? -1;
    const at = u.cursor.idx;
    if (left < 0 || at === null || at === undefined) {
      this.events.hover(null);
      this.events.mark(null, 0);
      return;
    }
    this.events.hover(this.hoverAt(u, at));
    // Checkpoints are many: they tell of themselves where they are drawn.
    const atFoot = u.over.clientHeight - (u.cursor.top ?? 0) < footReach;
    const near = this.inside ? this.placed.reduce<Placed | null>((best, one) => (one.mark.kind === 'checkpoint' && !atFoot) ? best : (distance(one, left) < (best ? distance(best, left) : markReach) ? one : best), null) : null;
    this.events.mark(near, near ? near.left + u.over.offsetLeft : 0);
  }

  private hoverAt(u: uPlot, at: number): Hover {
    const values = this.drawing.series.map(() => ({ value: NaN, raw: NaN, min: NaN, max: NaN, bad: false }));
    this.columns.of.forEach(({ series, part }, i) => {
      const index = u.cursor.idxs?.[i + 1] ?? at;
      const value = this.columns.data[i + 1]?.[index] ?? NaN;
      const one = values[series]!;
      if (part === 'low') one.min = value;
      else if (part === 'high') one.max = value;
      else if (part === 'raw') one.raw = value;
      else one.value = this.drawing.kind === 'stacked' ? (this.drawing.series[series]?.mean[index] ?? NaN) : value;
    });
    const place = this.columns.data[0][at] ?? NaN;
    values.forEach((one, i) => {
      if (Number.isNaN(one.raw)) one.raw = one.value;
      one.bad = !Number.isFinite(one.value) && (this.columns.bad[i]?.includes(place) ?? false);
    });
    return { place, values };
  }

  // What two fingers are put on lies under them once they are taken off.
  private pinch(over: HTMLElement): void {
    const fingers = new Map<number, { value: number; left: number }>();
    const leftOf = (event: PointerEvent): number => event.clientX - over.getBoundingClientRect().left;
    over.addEventListener('pointerdown', (event) => {
      if (event.pointerType === 'touch' && this.u) fingers.set(event.pointerId, { value: this.u.posToVal(leftOf(event), 'x'), left: leftOf(event) });
    });
    over.addEventListener('pointermove', (event) => {
      const finger = fingers.get(event.pointerId);
      if (finger) finger.left = leftOf(event);
    });
    over.addEventListener('pointercancel', () => fingers.clear());
    over.addEventListener('pointerup', () => {
      const [one, other] = [...fingers.values()].sort((a, b) => a.value - b.value);
      fingers.clear();
      if (!one || !other || other.value <= one.value || other.left - one.left < leastSpan) return;
      const perPixel = (other.value - one.value) / (other.left - one.left);
      const from = one.value - one.left * perPixel;
      this.show([from, from + over.clientWidth * perPixel]);
    });
  }

  // uPlot minds the mouse alone; a finger moves the cursor as well, and up and down scrolls the page.
  private listen(over: HTMLElement): void {
    const point = (event: PointerEvent): void => {
      this.inside = true;
      if (event.pointerType !== 'touch') return;
      const box = over.getBoundingClientRect();
      this.u?.setCursor({ left: event.clientX - box.left, top: event.clientY - box.top });
    };
    over.addEventListener('pointerenter', point);
    over.addEventListener('pointermove', point);
    this.pinch(over);
    over.addEventListener('pointerleave', () => {
      this.inside = false;
      this.events.mark(null, 0);
    });
  }
}

function distance(placed: Placed, left: number): number {
  return Math.abs(placed.left - left);
}
