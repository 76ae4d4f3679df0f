import { signal } from '@preact/signals';

interface Toast {
  id: number;
  kind: 'info' | 'error';
  text: string;
}

const toasts = signal<readonly Toast[]>([]);
let last = 0;

/** Tells the user something for some seconds; an error stays until it is closed. */
export function toast(text: string, kind: Toast['kind'] = 'info'): void {
  const id = ++last;
  toasts.value = [...toasts.value.slice(-4), { id, kind, text }];
  if (kind === 'info') window.setTimeout(() => close(id), 6000);
}

/** Tells of what was thrown. */
export function toastError(error: unknown): void {
  toast(error instanceof Error ? error.message : String(error), 'error');
}

function close(id: number): void {
  toasts.value = toasts.value.filter((one) => one.id !== id);
}

/** Where they are shown. */
export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((one) => (
        <div key={one.id} class={`toast ${one.kind}`}>
          <span>{one.text}</span>
          <button class="button plain" type="button" aria-label="Close" onClick={() => close(one.id)}>×</button>
        </div>
      ))}
    </div>
  );
}
