import { placeText, type XAxis } from './axes';
import type { ChartSeries } from './model';

/** Offers something as a file. */
export function save(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const anchor = document.createElement('a');
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  window.setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** The shown values as comma-separated text: a row per place and series. */
export function csv(axis: XAxis, series: readonly ChartSeries[]): string {
  const rows = [`series,${axis === 'elapsed' ? 'elapsedMilliseconds' : axis},mean,min,max`];
  for (const one of series)
    one.x.forEach((x, i) => {
      const place = axis === 'time' && Number.isFinite(x) ? new Date(x).toISOString() : String(x);
      rows.push([quoted(one.label), place, one.mean[i], one.min?.[i] ?? one.mean[i], one.max?.[i] ?? one.mean[i]].join(','));
    });
  return rows.join('\n') + '\n';
}

/** Text as a field: in quotes where it must be, and so that no spreadsheet takes it for a formula. */
export function quoted(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The chart with its title and legend as a picture. */
export async function png(canvas: HTMLCanvasElement, title: string, legend: readonly { label: string; colour: string }[]): Promise<Blob> {
  const ratio = window.devicePixelRatio;
  const scheme = getComputedStyle(document.documentElement);
  const colour = (name: string): string => scheme.getPropertyValue(name).trim();
  const head = 52 * ratio;
  const side = 14 * ratio;
  const picture = document.createElement('canvas');
  picture.width = canvas.width + 2 * side;
  picture.height = canvas.height + head + side;
  const ctx = picture.getContext('2d');
  if (!ctx) throw new Error('This browser draws no pictures.');
  ctx.fillStyle = colour('--surface');
  ctx.fillRect(0, 0, picture.width, picture.height);
  ctx.textBaseline = 'top';
  ctx.fillStyle = colour('--text');
  ctx.font = `600 ${15 * ratio}px system-ui, sans-serif`;
  ctx.fillText(title, side, 10 * ratio);
  ctx.font = `${12 * ratio}px system-ui, sans-serif`;
  let x = side;
  for (const one of legend) {
    ctx.fillStyle = one.colour;
    ctx.fillRect(x, 35 * ratio, 12 * ratio, 3 * ratio);
    ctx.fillStyle = colour('--text-2');
    ctx.fillText(one.label, x + 17 * ratio, 30 * ratio);
    x += ctx.measureText(one.label).width + 34 * ratio;
  }
  ctx.drawImage(canvas, side, head);
  return new Promise((resolve, reject) => picture.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('The picture could not be made.'))), 'image/png'));
}

/** In a sentence what a chart shows, for those who hear it. */
export function summary(title: string, axis: XAxis, series: readonly ChartSeries[], format: (value: number) => string): string {
  const parts = series.map((one) => {
    const finite = one.x.map((_, i) => i).filter((i) => Number.isFinite(one.mean[i]));
    const first = finite[0];
    const last = finite.at(-1);
    if (first === undefined || last === undefined) return `${one.label}: no values yet`;
    const lowest = finite.reduce((best, i) => (one.mean[i]! < one.mean[best]! ? i : best), first);
    return `${one.label}: from ${format(one.mean[first]!)} at ${placeText(axis, one.x[first]!)} to ${format(one.mean[last]!)} at ${placeText(axis, one.x[last]!)}, `
      + `lowest ${format(one.mean[lowest]!)} at ${placeText(axis, one.x[lowest]!)}`;
  });
  return `Chart of ${title}. ${parts.slice(0, 4).join('. ')}${parts.length > 4 ? `. And ${parts.length - 4} more` : ''}.`;
}
