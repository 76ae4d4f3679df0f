import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

export interface Question {
  title: string;
  /** What will happen. */
  text: string;
  /** The button's words, such as "Cancel the job". */
  action: string;
  danger?: boolean;
  /** Asks for a reason, which goes into the history. */
  reason?: boolean;
  /** A box to tick, and whether it is at first. */
  option?: { label: string; on: boolean };
}

export interface Answer {
  reason: string;
  /** Whether the box is ticked. */
  option: boolean;
}

interface Asked extends Question {
  answer: (answer: Answer | null) => void;
}

const asked = signal<Asked | null>(null);

/** Asks before something is done: what was answered, or null if the user thinks better of it. */
export function ask(question: Question): Promise<Answer | null> {
  return new Promise((resolve) => {
    asked.value?.answer(null);
    asked.value = { ...question, answer: resolve };
  });
}

/** Asks before something is done: the reason that was given, or null if the user thinks better of it. */
export async function confirm(question: Question): Promise<string | null> {
  return (await ask(question))?.reason ?? null;
}

/** Where questions are asked. */
export function Dialogs() {
  const question = asked.value;
  const dialog = useRef<HTMLDialogElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const option = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (question && dialog.current && !dialog.current.open) dialog.current.showModal();
  }, [question]);
  if (!question) return null;
  const answer = (given: Answer | null): void => {
    dialog.current?.close(); // gives the focus back to where it was
    asked.value = null;
    question.answer(given);
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    answer({ reason: input.current?.value.trim() ?? '', option: option.current?.checked ?? false });
  };
  return (
    <dialog ref={dialog} aria-labelledby="question" onCancel={(event) => { event.preventDefault(); answer(null); }}>
      <form method="dialog" onSubmit={submit}>
        <h2 id="question">{question.title}</h2>
        <p>{question.text}</p>
        {question.option && <label class="option"><input ref={option} type="checkbox" defaultChecked={question.option.on} /> {question.option.label}</label>}
        {question.reason && <label class="stack">Why (for the history; may be empty) <input ref={input} class="field wide" maxLength={1024} /></label>}
        <div class="actions">
          <button class="button" type="button" onClick={() => answer(null)}>Do nothing</button>
          <button class={question.danger ? 'button danger filled' : 'button primary'} type="submit">{question.action}</button>
        </div>
      </form>
    </dialog>
  );
}
