import { signal } from '@preact/signals';

export type Theme = 'light' | 'dark';

const key = 'linformer-theme';
const system = window.matchMedia('(prefers-color-scheme: dark)');

/** The colour scheme: the user's choice, or else the system's. */
export const theme = signal<Theme>(chosen() ?? ofSystem());
apply();
system.addEventListener('change', () => {
  if (!chosen()) set(ofSystem());
});

function chosen(): Theme | null {
  try {
    const value = window.localStorage.getItem(key);
    return value === 'light' || value === 'dark' ? value : null;
  } catch {
    return null; // storage is switched off
  }
}

function ofSystem(): Theme {
  return system.matches ? 'dark' : 'light';
}

function set(value: Theme): void {
  theme.value = value;
  apply();
}

function apply(): void {
  document.documentElement.dataset['theme'] = theme.value;
}

/** Switches between light and dark. */
export function ThemeButton() {
  const other = theme.value === 'dark' ? 'light' : 'dark';
  const choose = (): void => {
    set(other);
    try {
      window.localStorage.setItem(key, other);
    } catch {
      // Then it holds for this page alone.
    }
  };
  return (
    <button class="button plain square" type="button" title={`Switch to ${other} colours`} aria-label={`Switch to ${other} colours`} onClick={choose}>
      <svg width="18" height="18" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true">
        {other === 'dark'
          ? <path d="M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5Z" />
          : <><circle cx="12" cy="12" r="4.2" /><path d="M12 2v2.5M12 19.5V22M4.9 4.9l1.8 1.8M17.3 17.3l1.8 1.8M2 12h2.5M19.5 12H22M4.9 19.1l1.8-1.8M17.3 6.7l1.8-1.8" /></>}
      </svg>
    </button>
  );
}
