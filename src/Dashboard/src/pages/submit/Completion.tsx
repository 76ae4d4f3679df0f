import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { Choice } from './complete';

interface Props {
  id: string;
  choices: readonly Choice[];
  at: number;
  /** The caret's place on the screen. */
  anchor: DOMRect;
  choose: (choice: Choice) => void;
  close: () => void;
}

/** The name of an option's element. */
export function optionId(id: string, at: number): string {
  return `${id}-${at}`;
}

/** What may be written at the caret. The keyboard stays in the editor, which says which one is meant. */
export function CompletionList({ id, choices, at, anchor, choose, close }: Props) {
  const list = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const { offsetHeight: height, offsetWidth: width, style } = list.current!;
    const below = anchor.bottom + 4 + height <= window.innerHeight;
    style.top = `${below ? anchor.bottom + 4 : Math.max(4, anchor.top - 4 - height)}px`;
    style.left = `${Math.max(8, Math.min(anchor.left - 12, window.innerWidth - width - 8))}px`;
    list.current!.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' });
  }, [anchor.left, anchor.top, choices, at]);
  useEffect(() => {
    const away = (event: Event): void => {
      if (!list.current?.contains(event.target as Node)) close();
    };
    window.addEventListener('scroll', away, true);
    window.addEventListener('resize', close);
    return () => {
      window.removeEventListener('scroll', away, true);
      window.removeEventListener('resize', close);
    };
  }, []);
  const meant = choices[at];
  return (
    <div ref={list} class="completion" onPointerDown={(event) => event.preventDefault()}>
      <ul id={id} role="listbox" aria-label="What may stand here">
        {choices.map((choice, i) => (
          <li key={choice.label} id={optionId(id, i)} role="option" aria-selected={i === at} onClick={() => choose(choice)}>
            <code>{choice.label}</code><span class="hint">{choice.hint}</span>
          </li>
        ))}
      </ul>
      {meant?.text && <p class="what">{meant.text}</p>}
    </div>
  );
}
