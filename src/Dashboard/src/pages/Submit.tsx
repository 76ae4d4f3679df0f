import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { ApiError, api } from '../api/client';
import type { Preset } from '../api/types';
import { confirm } from '../components/Dialog';
import { Icon } from '../components/Icon';
import { toast, toastError } from '../components/Toasts';
import { go, query } from '../router';
import { session } from '../session';
import { useTitle } from '../title';
import { toYaml } from './job/yaml';
import { type Draft, dropDraft, keepDraft, keyFor, readDraft, tabStore } from './submit/draft';
import { Editor, type EditorHandle } from './submit/Editor';
import { Estimate } from './submit/Estimate';
import { Help } from './submit/Help';
import { Presets } from './submit/Presets';
import { Problems } from './submit/Problems';
import { moved, type Placed, placed } from './submit/places';
import { useDrop } from './submit/useDrop';
import { useForms } from './submit/useForms';
import { useCheck } from './submit/useCheck';
import { fieldAt } from './submit/yaml';

const store = tabStore();
const largest = 1024 * 1024;

/** Writes a job file and submits it. */
export default function Submit() {
  useTitle('Submit');
  const [draft, setDraft] = useState<Draft>(() => readDraft(store) ?? { text: '', loaded: '' });
  const [caret, setCaret] = useState(0);
  const [sending, setSending] = useState(false);
  const editor = useRef<EditorHandle>(null);
  const file = useRef<HTMLInputElement>(null);
  const { text } = draft;
  const checked = useCheck(text);
  const { schema, presets } = useForms();
  const found = useMemo(() => placed(checked.of ?? '', checked.answer?.problems ?? []), [checked.of, checked.answer]);
  const problems = useMemo(() => moved(found, checked.of ?? '', text), [found, text]);
  const fresh = checked.of === text;
  const path = useMemo(() => fieldAt(text, caret), [text, caret]);
  const mayed = session.may('submitter');

  const write = (next: Draft): void => {
    keepDraft(store, next);
    setDraft(next);
  };
  const latest = useRef(draft);
  latest.current = draft;
  const load = async (loaded: string): Promise<void> => {
    const now = latest.current;
    if (now.text === loaded) return;
    const written = now.text.trim() !== '' && now.text !== now.loaded;
    if (written && (await confirm({ title: 'Replace what you have written?', text: 'The job file in the editor has been changed and was not submitted.', action: 'Replace it', danger: true })) === null) return;
    write({ text: loaded, loaded });
    setCaret(0);
  };
  const loadFile = async (chosen: File): Promise<void> => {
    if (chosen.size > largest) return toast(`${chosen.name} is larger than the 1 MiB that a job file may have.`, 'error');
    try {
      await load(new TextDecoder('utf-8', { fatal: true }).decode(await chosen.arrayBuffer()).replace(/\r\n?/g, '\n'));
    } catch {
      toast(`${chosen.name} is no text in UTF-8.`, 'error');
    }
  };
  useFrom(load);
  useEffect(() => {
    const first = presets.find((one) => one.name === 'tiny') ?? presets[0];
    if (first && latest.current.text === '' && latest.current.loaded === '' && !query.value.get('from')) write({ text: first.yaml, loaded: first.yaml });
  }, [presets]);
  const dropping = useDrop((dropped) => void loadFile(dropped));

  const submit = async (): Promise<void> => {
    if (sending || !mayed || text.trim() === '') return;
    setSending(true);
    try {
      const answer = await api.submit(text, keyFor(store, text));
      dropDraft(store);
      for (const notice of answer.notices) toast(notice);
      toast(answer.existed ? 'This had been submitted already.' : `${answer.job?.name ?? 'The job'} is submitted.`);
      go(answer.job ? `/jobs/${encodeURIComponent(answer.job.id)}` : '/');
    } catch (error) {
      toastError(error instanceof ApiError && error.isAway ? new Error('The coordinator did not answer. Submit again: it makes no second job.') : error);
      setSending(false);
    }
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    void submit();
  };
  const jump = (problem: Placed): void => editor.current?.select(problem.from, problem.to);
  const wrong = fresh && problems.length > 0;
  return (
    <>
      <div class="page-head">
        <h1>Submit a job</h1>
        <div class="end">
          <input ref={file} class="visually-hidden" type="file" tabIndex={-1} aria-hidden="true" accept=".yaml,.yml,.json"
            onChange={(event) => { const chosen = event.currentTarget.files?.[0]; if (chosen) void loadFile(chosen); event.currentTarget.value = ''; }} />
          <button class="button" type="button" onClick={() => file.current?.click()}><Icon name="download" />Open a file</button>
          <button class="button primary" type="button" disabled={!mayed || sending || wrong || text.trim() === ''} aria-describedby={mayed ? undefined : 'why-not'} title="Ctrl Enter" onClick={() => void submit()}>{sending ? 'Submitting…' : 'Submit'}</button>
        </div>
      </div>
      {!mayed && <p id="why-not" class="notice warning role">Your role may look on: you can write and check a job file here, but not submit it. Ask an admin for a token with the role of submitter.</p>}
      <Presets presets={presets} text={text} choose={(preset: Preset) => void load(preset.yaml)} />
      <div class="submit" onKeyDown={onKeyDown}>
        <section class={`card writing ${dropping ? 'dropping' : ''}`} aria-label="Job file">
          <Editor text={text} onText={(next) => write({ ...latest.current, text: next })} caret={caret} onCaret={setCaret} problems={problems} schema={schema} describedBy="editor-keys" handle={editor} />
          <Help schema={schema} path={path} />
          <Problems checked={checked} problems={problems} empty={text.trim() === ''} jump={jump} />
          <p id="editor-keys" class="editor-keys muted"><kbd>Ctrl</kbd> <kbd>Space</kbd> says what may stand here. <kbd>Tab</kbd> indents; <kbd>Esc</kbd> then <kbd>Tab</kbd> leaves the editor; <kbd>Ctrl</kbd> <kbd>Enter</kbd> submits. A file may be dropped here.</p>
        </section>
        <aside>
          <Estimate estimate={checked.estimate ?? null} stale={found.length > 0} />
        </aside>
      </div>
    </>
  );
}

// Begins with the settings of a job: /submit?from=JOB.
function useFrom(load: (text: string) => Promise<void>): void {
  const from = query.value.get('from');
  useEffect(() => {
    if (!from) return undefined;
    const call = new AbortController();
    api.job(from, call.signal).then(
      async (details) => {
        await load(`# As job ${details.job.name}, with all its settings.\n${toYaml(details.jobFile)}`);
        go('/submit', 'replace');
      },
      (error: unknown) => {
        if (!call.signal.aborted) toastError(error);
      },
    );
    return () => call.abort();
  }, [from]);
}
