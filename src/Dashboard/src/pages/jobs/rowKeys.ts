import { useShortcuts } from '../../keys';

/** Keys that walk over the rows of the list, and tick them. */
export function useRowKeys(select: (id: string, on: boolean, range: boolean) => void): void {
  const links = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>('[data-open]')];
  const move = (by: number): void => {
    const all = links();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))];
    next?.focus();
    next?.scrollIntoView({ block: 'nearest' });
  };
  const tick = (): void => {
    const row = document.activeElement?.closest<HTMLElement>('[data-row]');
    const box = row?.querySelector<HTMLInputElement>('input[type=checkbox]');
    if (row && box) select(row.dataset['row']!, !box.checked, false);
  };
  useShortcuts([
    { keys: 'j', what: 'Next job', run: () => move(1) },
    { keys: 'k', what: 'Previous job', run: () => move(-1) },
    { keys: 'x', what: 'Tick the job, to compare it with others', run: tick },
  ], [select]);
}
