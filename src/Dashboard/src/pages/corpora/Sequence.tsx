import { useRef, useState } from 'preact/hooks';
import { count } from '../../format/numbers';
import { bytesOf, spoken, visible } from './visible';

/** A sequence's tokens in two alternating tints. One of them has the keyboard; arrows go on from it. */
export function Sequence({ first, ids, pieces }: { first: number; ids: readonly number[]; pieces: readonly string[] }) {
  const [current, setCurrent] = useState(0);
  const [told, setTold] = useState<number | null>(null);
  const list = useRef<HTMLDivElement>(null);
  const move = (to: number): void => {
    const at = Math.max(0, Math.min(ids.length - 1, to));
    setCurrent(at);
    list.current?.querySelectorAll<HTMLElement>('.token')[at]?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = { ArrowRight: current + 1, ArrowLeft: current - 1, ArrowDown: current + 10, ArrowUp: current - 10, Home: 0, End: ids.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(to);
  };
  const at = (event: Event): number | null => {
    const token = (event.target as Element).closest<HTMLElement>('.token');
    return token ? Number(token.dataset['at']) : null;
  };
  return (
    <article class="sequence" aria-label={`Sequence from token ${count(first)}`}>
      <header>
        <span class="number muted">{count(first)}</span>
        <span class="told number" aria-hidden="true">{told !== null && told < ids.length && <Told position={first + told} id={ids[told]!} piece={pieces[told] ?? ''} />}</span>
      </header>
      <div ref={list} class="tokens" role="group" aria-label="Tokens" onKeyDown={onKeyDown}
        onPointerOver={(event) => setTold(at(event))} onPointerLeave={() => setTold(null)}
        onFocusCapture={(event) => { const i = at(event); if (i !== null) { setCurrent(i); setTold(i); } }} onBlurCapture={() => setTold(null)}>
        {ids.map((id, i) => <Token key={i} at={i} id={id} piece={pieces[i] ?? ''} stop={i === Math.min(current, ids.length - 1)} />)}
      </div>
    </article>
  );
}

function Token({ at, id, piece, stop }: { at: number; id: number; piece: string; stop: boolean }) {
  return (
    <>
      {/^\s/.test(piece) && <wbr />}
      <span class="token" role="img" data-at={at} tabIndex={stop ? 0 : -1} aria-label={`${spoken(piece)}, token ${id}`}>
        {visible(piece).map((part, i) => (part.means ? <span key={i} class="sign">{part.text}</span> : part.text))}
      </span>
      {piece.includes('\n') && <br />}
    </>
  );
}

function Told({ position, id, piece }: { position: number; id: number; piece: string }) {
  const bytes = bytesOf(piece);
  return <>position <b>{count(position)}</b> · id <b>{id}</b>{bytes ? <> · bytes <code>{bytes}</code></> : ' · a part of a character'}</>;
}
