/** What is being written: kept for the tab, so that neither a reload nor a look at another page loses it. */
export interface Draft {
  text: string;
  /** What it was when it was last loaded, from an example, a file or a job. */
  loaded: string;
}

/** Where drafts and keys are kept: a part of the tab's storage. */
export type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

const draftName = 'linformer-draft';
const keyName = 'linformer-submission';

export function readDraft(store: Store | null): Draft | null {
  const draft = parsed(store?.getItem(draftName) ?? null) as Partial<Draft> | null;
  return typeof draft?.text === 'string' ? { text: draft.text, loaded: typeof draft.loaded === 'string' ? draft.loaded : '' } : null;
}

export function keepDraft(store: Store | null, draft: Draft): void {
  try {
    store?.setItem(draftName, JSON.stringify(draft));
  } catch {
    // No room: then it is not kept.
  }
}

export function dropDraft(store: Store | null): void {
  store?.removeItem(draftName);
  store?.removeItem(keyName);
}

/**
 * The key of a submission. The same content has the same key until it has been submitted, so that trying again after an answer
 * was lost makes no second job.
 */
export function keyFor(store: Store | null, text: string, make: () => string = randomKey): string {
  const kept = parsed(store?.getItem(keyName) ?? null) as { text?: unknown; key?: unknown } | null;
  if (kept?.text === text && typeof kept.key === 'string') return kept.key;
  if (!store && unstored?.text === text) return unstored.key;
  const key = make();
  unstored = { text, key };
  try {
    store?.setItem(keyName, JSON.stringify(unstored));
  } catch {
    // Then it is only known until the page is left.
  }
  return key;
}

let unstored: { text: string; key: string } | null = null;

/** The tab's storage; null where it is switched off. */
export function tabStore(): Store | null {
  try {
    return window.sessionStorage;
  } catch {
    return null;
  }
}

// randomUUID is there on secure origins only.
function randomKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function parsed(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text);
  } catch {
    return null;
  }
}
