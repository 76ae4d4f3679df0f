import type { ComponentChildren } from 'preact';
import { ApiError } from '../api/client';

/** What a page shows instead of its content: why, and what to do. */
export function Message({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="message">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** Why something could not be loaded, and how to try again. */
export function ErrorMessage({ error, retry }: { error: unknown; retry?: () => void }) {
  const problem = error instanceof ApiError ? error.problem : null;
  return (
    <div class="message" role="alert">
      <h2>{problem?.status === 404 ? 'Not found' : problem?.status === 403 ? 'Not allowed' : 'This could not be loaded'}</h2>
      <p>{error instanceof Error ? error.message : String(error)}</p>
      {retry && <button class="button" type="button" onClick={retry}>Try again</button>}
    </div>
  );
}

/** Holds the place of something that is being loaded. */
export function Skeleton({ lines = 3 }: { lines?: number }) {
  return (
    <div class="card body" aria-busy="true" aria-label="Loading">
      {Array.from({ length: lines }, (_, i) => <p key={i} class="skeleton" />)}
    </div>
  );
}
