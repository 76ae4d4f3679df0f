import { duration, full, now } from '../format/times';
import { session } from '../session';
import { Icon } from './Icon';
import { Menu } from './Menu';

const may = {
  viewer: 'May look at everything.',
  submitter: 'May submit jobs, and change its own.',
  admin: 'May change everything.',
} as const;

/** Who is logged in, with what role and until when. */
export function UserMenu() {
  const me = session.value;
  if (me.state !== 'in' || me.who.tokenId === '') return null;
  const { user, role, expiresAt } = me.who;
  return (
    <Menu label={`${user}, ${role}`} items={[{ label: 'Log out', icon: 'back', run: () => void session.logOut() }]}
      head={<><strong>{user}</strong><span>Role: {role}</span><small class="muted">{may[role]}</small>{expiresAt && <Expiry at={expiresAt} />}</>}>
      <Icon name="user" size={18} /><span class="user-name">{user}</span>
    </Menu>
  );
}

function Expiry({ at }: { at: string }) {
  const left = Date.parse(at) - now.value;
  return <small class={left < 86_400_000 ? 'bad' : 'muted'} title={full(at)}>{left > 0 ? `The token expires in ${duration(left)}.` : 'The token has expired.'}</small>;
}
