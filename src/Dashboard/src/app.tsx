import { effect } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ended } from './api/stream';
import { Layout } from './components/Layout';
import { Message, Skeleton } from './components/Messages';
import { Login } from './pages/Login';
import { location_, parts } from './router';
import { session } from './session';
import { useTitle } from './title';

// Pages are loaded when they are first shown; charts come with the pages that have some.
const pages: Record<string, () => Promise<{ default: ComponentType }>> = {
  '': () => import('./pages/Jobs'),
  jobs: () => (parts.value.length > 1 ? import('./pages/Job') : import('./pages/Jobs')),
  compare: () => import('./pages/Compare'),
  submit: () => import('./pages/Submit'),
  workers: () => import('./pages/Workers'),
  corpora: () => import('./pages/Corpora'),
  events: () => import('./pages/Events'),
};

// The page's code comes while the coordinator is asked who is there.
const first = parts.peek()[0] ?? '';
if (Object.hasOwn(pages, first)) void pages[first]!().catch(() => undefined);

effect(() => {
  if (ended.value !== null) session.end(ended.value);
});

export function App() {
  const me = session.value;
  useEffect(() => void session.load(), []);
  useEffect(() => {
    if (me.state !== 'away') return undefined;
    const timer = window.setTimeout(() => void session.load(), 2000);
    return () => clearTimeout(timer);
  }, [me]);
  if (me.state === 'out') return <Login {...(me.why === undefined ? {} : { why: me.why })} />;
  return (
    <Layout>
      {me.state === 'in' ? <Page />
        : me.state === 'unknown' ? <Skeleton />
          : <Message title="The coordinator does not answer"><p>It may be starting or restarting. This page tries again every two seconds.</p></Message>}
    </Layout>
  );
}

function Page() {
  const name = parts.value[0] ?? '';
  const load = Object.hasOwn(pages, name) ? pages[name] : undefined;
  const which = name === 'jobs' && parts.value.length > 1 ? 'job' : name || 'jobs';
  const [shown, show] = useState<{ which: string; Page: ComponentType } | null>(null);
  useEffect(() => {
    let here = true;
    load?.().then(
      (module) => here && show({ which, Page: module.default }),
      () => here && show({ which, Page: () => <Message title="This page could not be loaded"><p>Reload it; the coordinator may have been upgraded meanwhile.</p></Message> }),
    );
    return () => {
      here = false;
    };
  }, [which]);
  if (!load) return <Missing />;
  return shown?.which === which ? <shown.Page /> : <Skeleton />;
}

function Missing() {
  useTitle('No such page');
  return <Message title="There is no such page"><p>Nothing is at <code>{location_.value.path}</code>.</p><a class="button primary" href="/">Go to the jobs</a></Message>;
}
