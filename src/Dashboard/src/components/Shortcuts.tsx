import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { type Shortcut, shortcuts, shortcutsOn, switchShortcuts, useShortcuts } from '../keys';
import { go } from '../router';
import { Icon } from './Icon';

const shown = signal(false);

/** Shows the keys that do something. */
export function showShortcuts(): void {
  shown.value = true;
}

const everywhere: readonly Shortcut[] = [
  { keys: '?', what: 'These shortcuts', run: showShortcuts },
  { keys: '/', what: 'Search', run: () => document.querySelector<HTMLElement>('[data-search]')?.focus() },
  { keys: 'g j', what: 'Jobs', run: () => go('/') },
  { keys: 'g s', what: 'Submit', run: () => go('/submit') },
  { keys: 'g w', what: 'Workers', run: () => go('/workers') },
  { keys: 'g c', what: 'Corpora', run: () => go('/corpora') },
  { keys: 'g e', what: 'Events', run: () => go('/events') },
];

/** The shortcuts of all pages, and the list of them. */
export function Shortcuts() {
  useShortcuts(everywhere, []);
  return shown.value ? <List /> : null;
}

function List() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const close = (): void => {
    dialog.current?.close();
    shown.value = false;
  };
  const all = shortcuts();
  return (
    <dialog ref={dialog} class="shortcuts" aria-labelledby="shortcuts" onCancel={(event) => { event.preventDefault(); close(); }} onClick={(event) => { if (event.target === dialog.current) close(); }}>
      <div class="inside">
        <header>
          <h2 id="shortcuts">Keyboard shortcuts</h2>
          <button class="button plain square" type="button" aria-label="Close" onClick={close}><Icon name="close" /></button>
        </header>
        <Group title="Everywhere" list={all.filter((one) => everywhere.includes(one))} />
        <Group title="On this page" list={all.filter((one) => !everywhere.includes(one))} />
        <label class="option"><input type="checkbox" checked={shortcutsOn.value} onChange={(event) => switchShortcuts(event.currentTarget.checked)} /> Use them</label>
      </div>
    </dialog>
  );
}

function Group({ title, list }: { title: string; list: readonly Shortcut[] }) {
  if (list.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <dl>
        {list.map((one) => (
          <div key={one.keys}>
            <dt>{one.what}</dt>
            <dd>{one.keys.split(' ').map((key) => <kbd key={key}>{key}</kbd>)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
