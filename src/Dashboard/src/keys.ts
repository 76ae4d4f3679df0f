import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

export interface Shortcut {
  /** A key, or two that are pressed one after the other: "g j". */
  keys: string;
  what: string;
  run: () => void;
}

const storageKey = 'linformer-shortcuts';
const betweenKeys = 1200;
const groups = new Set<readonly Shortcut[]>();

/** Whether keys without Ctrl or Alt do something: people who speak to their machine, or hit keys by accident, switch it off. */
export const shortcutsOn = signal(stored() !== 'off');

/** All shortcuts that work now. */
export function shortcuts(): Shortcut[] {
  return [...groups].flat();
}

export function switchShortcuts(on: boolean): void {
  shortcutsOn.value = on;
  try {
    window.localStorage.setItem(storageKey, on ? 'on' : 'off');
  } catch {
    // Then it holds for this page alone.
  }
}

/** Has shortcuts for as long as the component is shown. */
export function useShortcuts(list: readonly Shortcut[], keys: readonly unknown[]): void {
  useEffect(() => {
    groups.add(list);
    return () => void groups.delete(list);
  }, keys);
}

/** Finds what keys mean: a shortcut, the beginning of one, or nothing. */
export function match(typed: string, list: readonly Shortcut[]): Shortcut | 'more' | null {
  return list.find((one) => one.keys === typed) ?? (list.some((one) => one.keys.startsWith(`${typed} `)) ? 'more' : null);
}

let typed = '';
let timer: number | undefined;

/** Listens to the keyboard. */
export function startKeys(): void {
  document.addEventListener('keydown', (event) => {
    if (!shortcutsOn.value || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return;
    clearTimeout(timer);
    const found = match(typed ? `${typed} ${event.key}` : event.key, shortcuts()) ?? match(event.key, shortcuts());
    typed = found === 'more' ? event.key : '';
    if (found === 'more') timer = window.setTimeout(() => (typed = ''), betweenKeys);
    if (found === null || found === 'more') return;
    event.preventDefault();
    found.run();
  });
}

function isTyping(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  return document.querySelector('dialog[open]') !== null || Boolean(element?.isContentEditable)
    || (Boolean(element?.matches?.('input, textarea, select')) && !element?.matches('input[type=checkbox], input[type=radio]'));
}

function stored(): string | null {
  try {
    return window.localStorage.getItem(storageKey);
  } catch {
    return null; // storage is switched off
  }
}
