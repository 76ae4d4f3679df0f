import { signal } from '@preact/signals';
import { clockSkew } from '../api/stream';

/** The coordinator's time, moved on once a second. */
export const now = signal(Date.now());
window.setInterval(() => {
  if (!document.hidden) now.value = Date.now() + clockSkew.value;
}, 1000);

/** Milliseconds since a time of the API; NaN where there is none. */
export function since(at: string | undefined, until: number = now.value): number {
  return at ? Math.max(0, until - Date.parse(at)) : NaN;
}

/** How long something takes, in its two largest units: 3h 12m. */
export function duration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return '–';
  const seconds = milliseconds / 1000;
  if (seconds < 1) return `${Math.round(milliseconds)}ms`;
  if (seconds < 10) return `${seconds.toFixed(1)}s`;
  if (seconds < 60) return `${Math.floor(seconds)}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${Math.floor(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours}h ${minutes % 60}m` : `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/** How long something will take, as far as that can be told: in one unit. */
export function roughly(milliseconds: number): string {
  const minutes = milliseconds / 60_000;
  if (!Number.isFinite(minutes)) return '–';
  if (minutes < 1) return 'under 1 min';
  if (minutes < 59.5) return `${Math.round(minutes)} min`;
  return minutes < 48 * 60 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} days`;
}

/** How long ago, in one unit: 5 min ago. */
export function ago(at: string | undefined): string {
  const seconds = since(at) / 1000;
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 5) return 'just now';
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400 * 2) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} days ago`;
}

const dateTime = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

/** The whole date and time in the reader's zone, for titles. */
export function full(at: string | undefined): string {
  return at ? dateTime.format(new Date(at)) : '';
}

/** The time of day in the reader's zone. */
export function timeOfDay(at: string | undefined): string {
  return at ? clock.format(new Date(at)) : '';
}
