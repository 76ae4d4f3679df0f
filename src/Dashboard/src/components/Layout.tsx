import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { link, refusal } from '../api/stream';
import { location_, parts } from '../router';
import { useSummary } from '../stores/live';
import { pageName } from '../title';
import { Dialogs } from './Dialog';
import { Icon } from './Icon';
import { Mark } from './Mark';
import { showShortcuts, Shortcuts } from './Shortcuts';
import { ThemeButton } from './Theme';
import { Toasts } from './Toasts';
import { UserMenu } from './UserMenu';

const pages = [
  { path: '/', name: 'Jobs', first: [undefined, 'jobs', 'compare'] },
  { path: '/submit', name: 'Submit', first: ['submit'] },
  { path: '/workers', name: 'Workers', first: ['workers'] },
  { path: '/corpora', name: 'Corpora', first: ['corpora'] },
  { path: '/events', name: 'Events', first: ['events'] },
] as const;

/** What is around every page. */
export function Layout({ children }: { children: ComponentChildren }) {
  const first = parts.value[0];
  useFocusOnPage();
  useSummary(); // so that every page knows when the coordinator is away
  return (
    <>
      <a class="skip" href="#content" onClick={(event) => { event.preventDefault(); document.getElementById('content')?.focus(); }}>Skip to the content</a>
      <header class="top">
        <a class="brand" href="/"><Mark />linformer</a>
        <nav aria-label="Pages">
          {pages.map((page) => (
            <a key={page.path} href={page.path} {...((page.first as readonly (string | undefined)[]).includes(first) ? { 'aria-current': 'page' as const } : {})}>{page.name}</a>
          ))}
        </nav>
        <div class="end">
          <LinkDot />
          <button class="button plain square keys" type="button" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick={showShortcuts}><Icon name="keyboard" size={18} /></button>
          <ThemeButton />
          <UserMenu />
        </div>
      </header>
      {link.value === 'away' && (
        <div class="away-banner" role="status">The coordinator does not answer; training goes on without it. What you see is from before. Trying again…</div>
      )}
      {link.value === 'refused' && <div class="away-banner" role="status">{refusal.value} Nothing new comes until then. Trying again…</div>}
      <main id="content" tabIndex={-1}>{children}</main>
      <div class="visually-hidden" aria-live="polite">{pageName.value}</div>
      <Shortcuts />
      <Toasts />
      <Dialogs />
    </>
  );
}

function LinkDot() {
  const words = { live: 'Live', connecting: 'Connecting', away: 'Not connected', refused: 'Refused' }[link.value];
  return <span class={`link-dot ${link.value}`} title={words}><span class="word">{words}</span></span>;
}

// The keyboard and a screen reader go on at the new page, not at the link that led to it.
function useFocusOnPage(): void {
  const path = location_.value.path;
  const before = useRef(path);
  useEffect(() => {
    if (before.current === path) return;
    before.current = path;
    document.getElementById('content')?.focus({ preventScroll: true });
  }, [path]);
}
