import { useEffect, useState } from 'preact/hooks';

/** Takes a file that is dropped anywhere on the page; tells whether one is above it. */
export function useDrop(take: (file: File) => void): boolean {
  const [above, setAbove] = useState(false);
  useEffect(() => {
    const hasFile = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
    const over = (event: DragEvent): void => {
      if (!hasFile(event)) return;
      event.preventDefault();
      setAbove(true);
    };
    const leave = (event: DragEvent): void => {
      if (event.relatedTarget === null) setAbove(false);
    };
    const drop = (event: DragEvent): void => {
      if (!hasFile(event)) return;
      event.preventDefault();
      setAbove(false);
      const file = event.dataTransfer?.files[0];
      if (file) take(file);
    };
    document.addEventListener('dragover', over);
    document.addEventListener('dragleave', leave);
    document.addEventListener('drop', drop);
    return () => {
      document.removeEventListener('dragover', over);
      document.removeEventListener('dragleave', leave);
      document.removeEventListener('drop', drop);
    };
  }, [take]);
  return above;
}
