import type { Corpus, CorpusState } from '../../api/types';
import { number } from '../../format/numbers';

/** The colour of a state, by the names of the badges. */
export const tones: Record<CorpusState, string> = { planning: 'queued', sharding: 'preparing', finishing: 'preparing', ready: 'succeeded', failed: 'failed' };

/** What a corpus is called: its first file, and how many there are besides. */
export function title({ files }: Corpus): string {
  return files.length === 0 ? 'No files' : files.length === 1 ? files[0]! : `${files[0]} and ${files.length - 1} more`;
}

/** How far a corpus has come, of one; of its phase where that tells, otherwise of its shards. */
export function share({ state, shards, shardsDone, progress }: Corpus): number {
  if (state === 'ready') return 1;
  if (progress && number(progress.total) > 0) return progress.done / progress.total;
  return shards > 0 ? shardsDone / shards : 0;
}

/** Whether a text is found in a corpus. */
export function finds({ id, files, tokenizer, fingerprint }: Corpus, text: string): boolean {
  const wanted = text.trim().toLowerCase();
  return [id, tokenizer, fingerprint, ...files].some((one) => one.toLowerCase().includes(wanted));
}
