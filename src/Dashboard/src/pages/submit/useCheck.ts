import { useEffect, useState } from 'preact/hooks';
import { ApiError, api } from '../../api/client';
import { connections } from '../../api/stream';
import type { CheckResponse } from '../../api/types';

export interface Checked {
  /** The newest answer, which may be about an older text; null before the first. */
  answer: CheckResponse | null;
  /** What it is about. */
  of: string | null;
  /** The newest one that came to an estimate. */
  estimate: CheckResponse['estimate'] | null;
  busy: boolean;
  /** Why it could not be checked. */
  error: string | null;
}

const rest = 300;
const again = 2000;
const nothing: Checked = { answer: null, of: null, estimate: null, busy: false, error: null };

/** Has the coordinator check the text once the typing rests; an older call is given up. */
export function useCheck(text: string): Checked {
  const [checked, setChecked] = useState<Checked>(nothing);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    if (text.trim() === '') {
      setChecked(nothing);
      return undefined;
    }
    const call = new AbortController();
    let retry: number | undefined;
    setChecked((before) => ({ ...before, busy: true }));
    const timer = window.setTimeout(() => {
      api.check(text, call.signal).then(
        (answer) => setChecked((before) => ({ answer, of: text, estimate: answer.estimate ?? before.estimate, busy: false, error: null })),
        (error: unknown) => {
          if (call.signal.aborted) return;
          setChecked((before) => ({ ...before, busy: false, error: error instanceof Error ? error.message : String(error) }));
          const soon = error instanceof ApiError && (error.isAway || error.problem.status === 429);
          if (soon) retry = window.setTimeout(() => setTries((before) => before + 1), again);
        },
      );
    }, rest);
    return () => {
      clearTimeout(timer);
      clearTimeout(retry);
      call.abort();
    };
  }, [text, tries, connections.value]);
  return checked;
}
