import { signal } from '@preact/signals';
import { ApiError, api, onUnauthenticated } from './api/client';
import { stream } from './api/stream';
import type { Role, WhoAmI } from './api/types';

type State = { state: 'unknown' } | { state: 'out'; why?: string } | { state: 'in'; who: WhoAmI } | { state: 'away' };

const current = signal<State>({ state: 'unknown' });
const ranks: readonly Role[] = ['viewer', 'submitter', 'admin'];

/** Who uses the page. */
export const session = {
  get value(): State {
    return current.value;
  },

  /** Asks the coordinator. */
  async load(): Promise<void> {
    try {
      current.value = { state: 'in', who: await api.whoAmI() };
    } catch (error) {
      if (error instanceof ApiError && error.isUnauthenticated) current.value = current.value.state === 'out' ? current.value : { state: 'out' };
      else if (current.value.state !== 'in') current.value = { state: 'away' };
    }
  },

  async logIn(token: string): Promise<void> {
    await api.logIn(token);
    await session.load();
    stream.restart();
  },

  async logOut(): Promise<void> {
    await api.logOut().catch(() => undefined);
    current.value = { state: 'out' };
  },

  /** The session has ended by itself. */
  end(why: string): void {
    current.value = { state: 'out', why };
  },

  /** Whether the user's role allows what another role does. */
  may(role: Role): boolean {
    const now = current.value;
    return now.state === 'in' && ranks.indexOf(now.who.role) >= ranks.indexOf(role);
  },
};

// Whoever was never in is asked to log in without being told that something has ended.
onUnauthenticated((why) => {
  if (current.value.state === 'in') session.end(why);
});
