import { useEffect, useState } from 'preact/hooks';
import { api } from '../../api/client';
import type { Corpus, CorpusPreview } from '../../api/types';
import { ErrorMessage, Skeleton } from '../../components/Messages';
import { count } from '../../format/numbers';
import { query, setQuery } from '../../router';
import { Sequence } from './Sequence';

const lengths = [64, 128, 256, 512, 1024];
const sequences = 8;

/** Tokens of a corpus, as a model reads them. */
export function Preview({ corpus }: { corpus: Corpus }) {
  const length = within(query.value.get('length'), 128, 8, 4096);
  const from = within(query.value.get('at'), 0, 0, Math.max(0, corpus.tokens - 1));
  const [shown, setShown] = useState<CorpusPreview | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(true);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    const call = new AbortController();
    setBusy(true);
    api.preview(corpus.id, { fromToken: from, sequenceLength: length, sequences }, call.signal).then(
      (preview) => {
        setShown(preview);
        setError(null);
        setBusy(false);
      },
      (failure: unknown) => {
        if (call.signal.aborted) return;
        setError(failure);
        setBusy(false);
      },
    );
    return () => call.abort();
  }, [corpus.id, corpus.fingerprint, from, length, tries]);
  const page = length * sequences;
  const to = (token: number): void => setQuery({ at: token > 0 ? String(token) : '' });
  return (
    <section class="card preview" aria-label="Preview">
      <header>
        <h2>As a model reads it</h2>
        <span class="muted number">tokens {count(from)} to {count(Math.min(corpus.tokens, from + page) - 1)} of {count(corpus.tokens)}</span>
        <Controls from={from} length={length} tokens={corpus.tokens} page={page} to={to} />
      </header>
      {error !== null ? <ErrorMessage error={error} retry={() => setTries(tries + 1)} />
        : shown === null ? <Skeleton lines={6} />
          : (
            <div class="sequences" aria-busy={busy}>
              {shown.sequences.map((one) => <Sequence key={one.firstToken} first={one.firstToken} ids={one.ids} pieces={one.pieces} />)}
              {shown.sequences.length === 0 && <p class="muted">There are no tokens here.</p>}
            </div>
          )}
      <p class="legend muted"><span class="sign">·</span> space <span class="sign">↵</span> new line <span class="sign">⇥</span> tab <span class="sign">�</span> a part of a character. Point at a token, or go through them with the arrow keys, for its number.</p>
    </section>
  );
}

function Controls({ from, length, tokens, page, to }: { from: number; length: number; tokens: number; page: number; to: (token: number) => void }) {
  const [typed, setTyped] = useState(String(from));
  useEffect(() => setTyped(String(from)), [from]);
  const jump = (event: Event): void => {
    event.preventDefault();
    to(within(typed, from, 0, Math.max(0, tokens - 1)));
  };
  return (
    <div class="controls">
      <form onSubmit={jump}>
        <label class="inline">From token <input class="field number" type="number" min={0} max={Math.max(0, tokens - 1)} step={1} value={typed} onInput={(event) => setTyped(event.currentTarget.value)} /></label>
        <button class="button" type="submit">Go</button>
      </form>
      <label class="inline">Sequence length <select class="field" value={String(length)} onChange={(event) => setQuery({ length: event.currentTarget.value === '128' ? '' : event.currentTarget.value })}>
        {[...new Set([...lengths, length])].sort((a, b) => a - b).map((one) => <option key={one} value={String(one)}>{one}</option>)}
      </select></label>
      <div class="pair">
        <button class="button" type="button" disabled={from === 0} onClick={() => to(Math.max(0, from - page))}>Previous</button>
        <button class="button" type="button" disabled={from + page >= tokens} onClick={() => to(from + page)}>Next</button>
      </div>
    </div>
  );
}

/** A whole number within bounds; what is none is the standard one. */
export function within(text: string | null, standard: number, low: number, high: number): number {
  const value = text === null || text.trim() === '' ? NaN : Number(text);
  return Number.isFinite(value) ? Math.min(high, Math.max(low, Math.floor(value))) : standard;
}
