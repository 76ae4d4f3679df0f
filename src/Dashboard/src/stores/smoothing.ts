import { signal } from '@preact/signals';

const key = 'linformer-smoothing';

/** How much charts are smoothed, from 0 (not at all) to 100: the same on all pages, and in this browser from now on. */
export const smoothing = signal(read());

/** Changes it. */
export function chooseSmoothing(position: number): void {
  smoothing.value = position;
  try {
    window.localStorage.setItem(key, String(position));
  } catch {
    // Then it holds until the page is left.
  }
}

function read(): number {
  try {
    return Math.min(100, Math.max(0, Number(window.localStorage.getItem(key)) || 0));
  } catch {
    return 0;
  }
}
