import { useEffect, useId, useImperativeHandle, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Ref } from 'preact';
import { Code } from './Code';
import { complete, type Choice, type Completion } from './complete';
import { CompletionList, optionId } from './Completion';
import { type Edit, indented, newLine, outdented } from './edit';
import type { Placed } from './places';
import type { Schema } from './schema';

export interface EditorHandle {
  /** Brings the keyboard to a part of the text. */
  select: (from: number, to: number) => void;
}

interface Props {
  text: string;
  onText: (text: string) => void;
  onCaret: (at: number) => void;
  caret: number;
  problems: readonly Placed[];
  schema: Schema | null;
  describedBy: string;
  handle: Ref<EditorHandle>;
}

/** A field for a job file: colours, line numbers, completion, and keys as editors have them. */
export function Editor({ text, onText, onCaret, caret, problems, schema, describedBy, handle }: Props) {
  const field = useRef<HTMLTextAreaElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const probe = useRef<HTMLSpanElement>(null);
  const id = useId();
  const [offered, setOffered] = useState<(Completion & { selected: number }) | null>(null);
  // After Escape, Tab leaves the editor instead of indenting.
  const leaving = useRef(false);
  const line = text.slice(0, caret).split('\n').length;

  useImperativeHandle(handle, () => ({
    select: (from, to) => {
      field.current!.focus();
      field.current!.setSelectionRange(from, to);
      scrollTo(from);
    },
  }));
  useEffect(() => {
    const moved = (): void => {
      if (document.activeElement === field.current) onCaret(field.current!.selectionEnd);
    };
    document.addEventListener('selectionchange', moved);
    return () => document.removeEventListener('selectionchange', moved);
  }, []);
  // What is offered belongs to the place where it was asked for.
  useEffect(() => {
    if (offered && (caret < offered.from || caret > offered.from + offered.word.length + 2)) setOffered(null);
  }, [caret]);

  const scrollTo = (at: number): void => frame.current?.querySelectorAll('.line')[text.slice(0, at).split('\n').length - 1]?.scrollIntoView({ block: 'nearest' });
  const apply = (edit: Edit): void => {
    const area = field.current!;
    area.setSelectionRange(edit.from, edit.to);
    // The only way that keeps the browser's undo.
    const done = edit.insert === '' ? document.execCommand('delete') : document.execCommand('insertText', false, edit.insert);
    if (!done) {
      area.setRangeText(edit.insert, edit.from, edit.to, 'end');
      onText(area.value);
    }
    area.setSelectionRange(edit.selectFrom, edit.selectTo);
    onCaret(edit.selectTo);
  };
  const offer = (asked: boolean): void => {
    const area = field.current!;
    const found = schema && area.selectionStart === area.selectionEnd ? complete(area.value, area.selectionStart, schema) : null;
    const useful = found && (asked || found.at === 'value' || found.word !== '') && !(found.choices.length === 1 && found.choices[0]!.label === found.word);
    setOffered(useful ? { ...found, selected: 0 } : null);
  };
  const choose = (choice: Choice): void => {
    if (!offered) return;
    const end = offered.from + choice.insert.length;
    setOffered(null);
    apply({ from: offered.from, to: offered.to, insert: choice.insert, selectFrom: end, selectTo: end });
    if (choice.insert.endsWith(': ')) offer(false);
    else setOffered(null);
  };
  const inList = (event: KeyboardEvent): boolean => {
    if (!offered || event.ctrlKey || event.metaKey || event.altKey) return false;
    const size = offered.choices.length;
    const to = { ArrowDown: (offered.selected + 1) % size, ArrowUp: (offered.selected - 1 + size) % size, PageDown: Math.min(size - 1, offered.selected + 8), PageUp: Math.max(0, offered.selected - 8) }[event.key];
    if (to !== undefined) setOffered({ ...offered, selected: to });
    else if (event.key === 'Escape') setOffered(null);
    else if ((event.key === 'Enter' || event.key === 'Tab') && !event.shiftKey) choose(offered.choices[offered.selected]!);
    else return false;
    return true;
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    const { selectionStart: start, selectionEnd: end, value } = field.current!;
    const modified = event.ctrlKey || event.metaKey || event.altKey;
    if (inList(event)) event.preventDefault();
    else if (event.key === ' ' && event.ctrlKey) {
      event.preventDefault();
      offer(true);
    } else if (event.key === 'Escape') leaving.current = true;
    else if (event.key === 'Tab' && !modified && !leaving.current) {
      event.preventDefault();
      apply(event.shiftKey ? outdented(value, start, end) : indented(value, start, end));
    } else if (event.key === 'Enter' && !modified && !event.shiftKey) {
      event.preventDefault();
      apply(newLine(value, start, end));
    }
    if (!['Escape', 'Shift', 'Tab'].includes(event.key)) leaving.current = false;
  };
  const onInput = (event: Event): void => {
    onText(field.current!.value);
    onCaret(field.current!.selectionEnd);
    const kind = (event as InputEvent).inputType;
    if (kind === 'insertText' || kind === 'insertCompositionText' || (offered && kind === 'deleteContentBackward')) offer(false);
    else setOffered(null);
  };
  const anchor = offered ? anchorOf(frame.current, probe.current, text, offered.from) : null;
  const selected = offered && anchor ? { 'aria-controls': id, 'aria-activedescendant': optionId(id, offered.selected) } : {};
  const digits = String(text.split('\n').length).length;
  useLayoutEffect(() => frame.current?.style.setProperty('--digits', `${Math.max(2, digits)}ch`), [digits]);
  return (
    <div class="editor" ref={frame}>
      <div class="sheet">
        <Code text={text} problems={problems} current={line} />
        <textarea ref={field} class="written" value={text} spellcheck={false} autocomplete="off" autocapitalize="off" wrap="off" rows={1}
          aria-label="Job file, YAML or JSON" aria-describedby={describedBy} aria-invalid={problems.length > 0} aria-autocomplete="list" aria-haspopup="listbox" {...selected}
          onInput={onInput} onKeyDown={onKeyDown} onBlur={() => { leaving.current = false; setOffered(null); }} onFocus={() => (leaving.current = false)} />
        <span ref={probe} class="probe" aria-hidden="true">0000000000</span>
      </div>
      {offered && anchor && <CompletionList id={id} choices={offered.choices} at={offered.selected} anchor={anchor} choose={choose} close={() => setOffered(null)} />}
      <span class="visually-hidden" aria-live="polite">{offered ? `${offered.choices.length} ${offered.choices.length === 1 ? 'choice' : 'choices'}` : ''}</span>
    </div>
  );
}

// The writing is of one width, so that a column's place can be told from its number.
function anchorOf(frame: HTMLElement | null, probe: HTMLElement | null, text: string, at: number): DOMRect | null {
  const before = text.slice(0, at).split('\n');
  const line = frame?.querySelectorAll('.line')[before.length - 1]?.getBoundingClientRect();
  const field = frame?.querySelector('textarea')?.getBoundingClientRect();
  if (!line || !field || !probe || !frame) return null;
  const padding = parseFloat(getComputedStyle(frame.querySelector('textarea')!).paddingLeft);
  return new DOMRect(field.left + padding + before.at(-1)!.length * (probe.getBoundingClientRect().width / 10), line.top, 0, line.height);
}
