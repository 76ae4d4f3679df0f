import { useEffect, useRef, useState } from 'preact/hooks';
import { Mark } from '../components/Mark';
import { ThemeButton } from '../components/Theme';
import { session } from '../session';
import { useTitle } from '../title';

/** Asks for a token. */
export function Login({ why }: { why?: string }) {
  useTitle('Log in');
  const [token, setToken] = useState('');
  const [shown, setShown] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await session.logIn(token.trim());
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
      field.current?.select();
    }
    setBusy(false);
  };
  return (
    <main class="login">
      <form class="card" onSubmit={(event) => void submit(event)}>
        <h1><Mark size={34} />linformer</h1>
        {why && !error && <p class="notice warning" role="status">{why}</p>}
        <label class="stack" for="token">
          Token
          <span class="secret">
            <input id="token" ref={field} class="field" type={(shown ? 'text' : 'password') as 'password'} autocomplete="current-password" autocapitalize="none" spellcheck={false} required
              aria-invalid={error !== null} {...(error ? { 'aria-describedby': 'refused' } : {})} value={token} onInput={(event) => setToken(event.currentTarget.value)} />
            <button class="button plain small" type="button" aria-pressed={shown} onClick={() => setShown(!shown)}>{shown ? 'Hide' : 'Show'}</button>
          </span>
        </label>
        {error && <p id="refused" class="notice error" role="alert">{error}</p>}
        <button class="button primary" type="submit" disabled={busy}>{busy ? 'Logging in…' : 'Log in'}</button>
        <p class="muted">An admin makes a token with <code>./linformer tokens create</code>. This browser keeps you logged in until it expires or is revoked.</p>
      </form>
      <ThemeButton />
    </main>
  );
}
