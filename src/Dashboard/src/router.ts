import { computed, signal } from '@preact/signals';

/** Where the page is: its path and query. */
export const location_ = signal(read());

/** The path's parts, decoded. */
export const parts = computed(() => location_.value.path.split('/').filter(Boolean).map(decode));

/** The query. */
export const query = computed(() => new URLSearchParams(location_.value.search));

/** Goes to another page without loading the document. */
export function go(to: string, how: 'push' | 'replace' = 'push'): void {
  if (to !== window.location.pathname + window.location.search)
    window.history[how === 'push' ? 'pushState' : 'replaceState'](null, '', to);
  const before = location_.value.path;
  location_.value = read();
  if (how === 'push' && location_.value.path !== before) window.scrollTo(0, 0);
}

/** Changes parameters of the query in place; empty ones are left out. */
export function setQuery(changes: Record<string, string | undefined>, how: 'push' | 'replace' = 'replace'): void {
  const search = new URLSearchParams(window.location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value) search.set(name, value);
    else search.delete(name);
  }
  const text = search.toString();
  go(window.location.pathname + (text ? `?${text}` : ''), how);
}

/** Makes ordinary links of this page change the page in place. */
export function startRouter(): void {
  window.addEventListener('popstate', () => (location_.value = read()));
  document.addEventListener('click', (event) => {
    const anchor = (event.target as Element | null)?.closest?.('a');
    if (!anchor || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const to = new URL(anchor.href, window.location.href);
    if (to.origin !== window.location.origin || anchor.target || anchor.hasAttribute('download') || to.pathname.startsWith('/api/') || to.pathname.startsWith('/openapi/')) return;
    event.preventDefault();
    go(to.pathname + to.search);
  });
}

function read(): { path: string; search: string } {
  return { path: window.location.pathname, search: window.location.search };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
