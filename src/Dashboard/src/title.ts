import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

/** The page's name, for those who hear it: said when another page is shown. */
export const pageName = signal('');

/** Names the page while the component is shown. What changes all the time goes before the name, where it is not read out. */
export function useTitle(name: string, before = ''): void {
  useEffect(() => {
    pageName.value = name;
    document.title = `${before ? `${before} · ` : ''}${name} · linformer`;
  }, [name, before]);
}
