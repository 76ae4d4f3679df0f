import type { Corpus } from '../../api/types';
import { Icon } from '../../components/Icon';
import { Message } from '../../components/Messages';
import { toast } from '../../components/Toasts';
import { count, significant } from '../../format/numbers';
import { ago, full } from '../../format/times';
import { useTitle } from '../../title';
import { title, tones } from './model';
import { Preview } from './Preview';
import { Progress } from './Progress';

/** A corpus: what it is made of, and what is in it. */
export function Detail({ corpus }: { corpus: Corpus }) {
  useTitle(title(corpus), 'Corpus');
  return (
    <>
      <p class="crumb"><a href="/corpora">Corpora</a></p>
      <div class="page-head">
        <h1>{title(corpus)}</h1>
        <span class={`badge ${tones[corpus.state]}`}>{corpus.state}</span>
      </div>
      {corpus.error && <p class="notice error" role="alert"><strong>It could not be made:</strong> {corpus.error}</p>}
      <section class="card facts-of" aria-label="Facts">
        <dl>
          <Fact name="Tokens">{corpus.tokens > 0 ? count(corpus.tokens) : '–'}</Fact>
          <Fact name="Documents">{corpus.documents > 0 ? count(corpus.documents) : '–'}</Fact>
          <Fact name="Tokens a document">{corpus.documents > 0 ? significant(corpus.tokens / corpus.documents, 4) : '–'}</Fact>
          <Fact name="Vocabulary">{corpus.vocabularySize > 0 ? count(corpus.vocabularySize) : '–'}</Fact>
          <Fact name="Shards"><Progress corpus={corpus} /></Fact>
          <Fact name="Changed"><time dateTime={corpus.updatedAt} title={full(corpus.updatedAt)}>{ago(corpus.updatedAt)}</time></Fact>
        </dl>
        <dl class="long">
          <Fact name={corpus.files.length === 1 ? 'File' : `${count(corpus.files.length)} files`}><Files files={corpus.files} /></Fact>
          <Fact name="Tokenizer">{corpus.tokenizer}</Fact>
          {corpus.folder && <Fact name="Folder"><Copied text={corpus.folder} what="The folder" /></Fact>}
          {corpus.fingerprint && <Fact name="Fingerprint"><Copied text={corpus.fingerprint} what="The fingerprint" /></Fact>}
        </dl>
      </section>
      {corpus.state === 'ready' ? <Preview corpus={corpus} /> : corpus.state !== 'failed' && (
        <div class="card"><Message title="Its text is shown once it is ready"><p>Workers are making its shards; this page follows.</p></Message></div>
      )}
    </>
  );
}

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return <div><dt>{name}</dt><dd class="number">{children}</dd></div>;
}

function Files({ files }: { files: readonly string[] }) {
  const list = (some: readonly string[]) => <ul class="files">{some.map((file) => <li key={file}><code>{file}</code></li>)}</ul>;
  if (files.length <= 8) return list(files);
  return <>{list(files.slice(0, 6))}<details><summary>{count(files.length - 6)} more</summary>{list(files.slice(6))}</details></>;
}

function Copied({ text, what }: { text: string; what: string }) {
  const copy = (): void => {
    // Only there on secure origins.
    void navigator.clipboard?.writeText(text).then(() => toast(`${what} is copied.`), () => undefined);
  };
  return <span class="copied"><code>{text}</code>{'clipboard' in navigator && <button class="button plain square small" type="button" aria-label={`Copy: ${what.toLowerCase()}`} title="Copy" onClick={copy}><Icon name="copy" size={14} /></button>}</span>;
}
