import type { ComponentChildren } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Icon, type IconName } from './Icon';

export interface MenuItem {
  label: string;
  icon?: IconName;
  danger?: boolean;
  disabled?: boolean;
  /** A link; otherwise `run` is called. */
  href?: string;
  run?: () => void;
}

interface Props {
  /** What the button is called, for screen readers and as its title. */
  label: string;
  items: readonly MenuItem[];
  /** What the button shows; three dots by default. */
  children?: ComponentChildren;
  /** Stands above the items. */
  head?: ComponentChildren;
}

/** A button that opens a list of things to do. */
export function Menu({ label, items, children, head }: Props) {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  const close = (refocus: boolean): void => {
    setOpen(false);
    if (refocus) button.current?.focus();
  };
  return (
    <>
      <button ref={button} class={`button plain ${children ? '' : 'square'}`} type="button" aria-label={label} title={label} aria-haspopup="menu" aria-expanded={open}
        aria-controls={id} onClick={() => setOpen(!open)} onKeyDown={(event) => { if (event.key === 'ArrowDown') { event.preventDefault(); setOpen(true); } }}>
        {children ?? <Icon name="more" size={18} />}
      </button>
      {open && <List id={id} button={button.current!} items={items} head={head} close={close} />}
    </>
  );
}

function List({ id, button, items, head, close }: { id: string; button: HTMLElement; items: readonly MenuItem[]; head: ComponentChildren; close: (refocus: boolean) => void }) {
  const list = useRef<HTMLDivElement>(null);
  const options = (): HTMLElement[] => [...list.current!.querySelectorAll<HTMLElement>('[role=menuitem]:not(:disabled)')];
  // Fixed, so that no scrolling frame around the button cuts it off.
  useLayoutEffect(() => {
    const box = button.getBoundingClientRect();
    const { offsetHeight: height, offsetWidth: width, style } = list.current!;
    const below = box.bottom + 4 + height <= window.innerHeight;
    style.top = `${below ? box.bottom + 4 : Math.max(4, box.top - 4 - height)}px`;
    style.left = `${Math.max(8, Math.min(box.right - width, window.innerWidth - width - 8))}px`;
    options()[0]?.focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    const outside = (event: Event): void => {
      const target = event.target as Node;
      if (!list.current?.contains(target) && !button.contains(target)) close(false);
    };
    const away = (): void => close(false);
    document.addEventListener('pointerdown', outside);
    window.addEventListener('resize', away);
    window.addEventListener('scroll', away, true);
    return () => {
      document.removeEventListener('pointerdown', outside);
      window.removeEventListener('resize', away);
      window.removeEventListener('scroll', away, true);
    };
  }, []);
  const onKeyDown = (event: KeyboardEvent): void => {
    const all = options();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: (at + 1) % all.length, ArrowUp: (at - 1 + all.length) % all.length, Home: 0, End: all.length - 1 }[event.key];
    if (event.key === 'Escape' || event.key === 'Tab') close(event.key === 'Escape');
    if (event.key === 'Escape' || to !== undefined) {
      event.preventDefault();
      event.stopPropagation();
    }
    if (to !== undefined) all[to]?.focus();
  };
  return (
    <div ref={list} id={id} class="menu" onKeyDown={onKeyDown}>
      {head && <div class="menu-head">{head}</div>}
      <div role="menu">
        {items.map((item) => {
          const inside = <>{item.icon && <Icon name={item.icon} />}{item.label}</>;
          const look = `menu-item ${item.danger ? 'danger' : ''}`;
          return item.href
            ? <a key={item.label} role="menuitem" class={look} href={item.href} onClick={() => close(false)}>{inside}</a>
            : <button key={item.label} role="menuitem" class={look} type="button" disabled={item.disabled ?? false} onClick={() => { close(true); item.run?.(); }}>{inside}</button>;
        })}
      </div>
    </div>
  );
}
