import { signal } from '@preact/signals';
import { useTopic } from '../api/stream';
import type { Corpus } from '../api/types';
import { Search } from '../components/Filters';
import { Message, Skeleton } from '../components/Messages';
import { readSort, SortHead, sortBy } from '../components/Table';
import { count, short } from '../format/numbers';
import { ago, full } from '../format/times';
import { go, parts, query, setQuery } from '../router';
import { session } from '../session';
import { useTitle } from '../title';
import { Detail } from './corpora/Detail';
import { finds, share, title, tones } from './corpora/model';
import { Progress } from './corpora/Progress';

const corpora = signal<readonly Corpus[] | null>(null);

const values: Record<string, (corpus: Corpus) => number | string> = {
  files: title,
  state: (corpus) => corpus.state,
  shards: share,
  documents: (corpus) => corpus.documents,
  tokens: (corpus) => corpus.tokens,
  vocabulary: (corpus) => corpus.vocabularySize,
  tokenizer: (corpus) => corpus.tokenizer,
  age: (corpus) => -Date.parse(corpus.updatedAt ?? ''),
};

/** All corpora, or one of them, live. */
export default function Corpora() {
  useTopic('corpora', () => 'corpora', (event) => (corpora.value = event.corpora), []);
  const id = parts.value[1];
  const all = corpora.value;
  if (all === null) return <><div class="page-head"><h1>{id === undefined ? 'Corpora' : 'Corpus'}</h1></div><Skeleton lines={6} /></>;
  if (id === undefined) return <List all={all} />;
  const corpus = all.find((one) => one.id === id);
  return corpus ? <Detail key={id} corpus={corpus} /> : <Absent id={id} />;
}

function List({ all }: { all: readonly Corpus[] }) {
  const making = all.filter((one) => one.state !== 'ready' && one.state !== 'failed').length;
  useTitle('Corpora', making > 0 ? `${making} in the making` : '');
  const text = query.value.get('q') ?? '';
  const sort = readSort(query.value.get('sort'), { by: 'age', descending: false });
  const shown = sortBy(all.filter((one) => finds(one, text)), values[sort.by] ?? values['age']!, sort.descending);
  return (
    <>
      <div class="page-head">
        <h1>Corpora</h1>
        {all.length > 0 && <p class="muted number">{count(all.length)} {all.length === 1 ? 'corpus' : 'corpora'}, {short(all.reduce((sum, one) => sum + one.tokens, 0))} tokens</p>}
        {all.length > 0 && <div class="end"><Search value={text} label="Files, tokenizer" onChange={(value) => setQuery({ q: value })} /></div>}
      </div>
      {all.length === 0 ? <None /> : shown.length === 0
        ? <Message title="No corpus fits"><button class="button" type="button" onClick={() => setQuery({ q: '' })}>Show all corpora</button></Message>
        : (
          <div class="card table-frame">
            <table class="data corpora">
              <thead>
                <tr>
                  <SortHead by="files" sort={sort}>Files</SortHead>
                  <SortHead by="state" sort={sort}>State</SortHead>
                  <SortHead by="shards" sort={sort}>Shards</SortHead>
                  <SortHead by="documents" sort={sort} right down>Documents</SortHead>
                  <SortHead by="tokens" sort={sort} right down>Tokens</SortHead>
                  <SortHead by="vocabulary" sort={sort} right down>Vocabulary</SortHead>
                  <SortHead by="tokenizer" sort={sort}>Tokenizer</SortHead>
                  <SortHead by="age" sort={sort}>Changed</SortHead>
                </tr>
              </thead>
              <tbody>{shown.map((one) => <Row key={one.id} corpus={one} />)}</tbody>
            </table>
          </div>
        )}
    </>
  );
}

function Row({ corpus }: { corpus: Corpus }) {
  const href = `/corpora/${encodeURIComponent(corpus.id)}`;
  const number = (value: number): string => (value > 0 ? count(value) : '–');
  const open = (event: MouseEvent): void => {
    // As the link in it; words that are being selected are left alone.
    if (!(event.target as Element).closest('a') && window.getSelection()?.isCollapsed !== false) go(href);
  };
  return (
    <tr class="row" onClick={open}>
      <td class="name"><a href={href} title={corpus.files.slice(0, 20).join('\n')}>{title(corpus)}</a>{corpus.error && <p class="bad">{corpus.error}</p>}</td>
      <td data-name="State"><span class={`badge ${tones[corpus.state]}`}>{corpus.state}</span></td>
      <td data-name="Shards" class="number"><Progress corpus={corpus} /></td>
      <td data-name="Documents" class="right number">{number(corpus.documents)}</td>
      <td data-name="Tokens" class="right number">{number(corpus.tokens)}</td>
      <td data-name="Vocabulary" class="right number">{number(corpus.vocabularySize)}</td>
      <td data-name="Tokenizer" class="tokenizer">{corpus.tokenizer}</td>
      <td data-name="Changed" class="number"><time dateTime={corpus.updatedAt} title={full(corpus.updatedAt)}>{ago(corpus.updatedAt)}</time></td>
    </tr>
  );
}

function None() {
  return (
    <div class="card no-corpus">
      <Message title="No corpus yet">
        <p>A corpus comes to be with the first job that names its files: workers train or load the tokenizer, and turn the text into shards of tokens that all ranks read. Jobs with the same files and tokenizer share it.</p>
        <p>Put text files (<code>.txt</code> or <code>.jsonl</code>, also with <code>.gz</code>) on the shared storage, and name them in a job file:</p>
        <pre class="command">{'corpus:\n  files: ["corpora/mine/*.txt"]'}</pre>
        {session.may('submitter') && <p><a class="button primary" href="/submit">Write a job file</a></p>}
      </Message>
    </div>
  );
}

function Absent({ id }: { id: string }) {
  useTitle('Corpus');
  return <Message title="There is no such corpus"><p>None has the id <code>{id}</code>.</p><p><a href="/corpora">Show all corpora</a></p></Message>;
}
