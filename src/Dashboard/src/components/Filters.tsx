import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Icon } from './Icon';

/** One of several choices to filter by, which is on or off. */
export function Chip({ on, count, tone, onClick, children }: { on: boolean; count?: number; tone?: string; onClick: () => void; children: ComponentChildren }) {
  return (
    <button class={`chip ${on ? 'on' : ''} ${tone ?? ''}`} type="button" aria-pressed={on} onClick={onClick}>
      {tone && <span class="dot" />}
      {children}
      {count !== undefined && <span class="count number">{count}</span>}
    </button>
  );
}

/** A field to search by, which tells of what is typed once the typing rests. `/` brings the keyboard to it. */
export function Search({ value, label, onChange }: { value: string; label: string; onChange: (text: string) => void }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return undefined;
    const timer = window.setTimeout(() => onChange(text), 200);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <span class="search">
      <Icon name="search" />
      <input class="field" type="search" aria-label={label} placeholder={label} data-search="" value={text} onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => { if (event.key === 'Escape') { event.currentTarget.blur(); setText(''); } }} />
    </span>
  );
}
