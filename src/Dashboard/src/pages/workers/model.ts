import type { Slot, Worker } from '../../api/types';

export type WorkerState = 'alive' | 'unfit' | 'draining' | 'drained' | 'lost';

export const workerStates: readonly WorkerState[] = ['alive', 'unfit', 'draining', 'drained', 'lost'];

/** The colour of each, as that of a badge. */
export const tones: Readonly<Record<WorkerState, string>> = { alive: 'succeeded', unfit: 'failed', draining: 'paused', drained: 'cancelled', lost: 'failed' };

/** What a worker is good for now. */
export function stateOf(worker: Worker): WorkerState {
  if (!worker.alive) return 'lost';
  if (worker.unfit) return 'unfit';
  if (worker.draining || worker.drained) return busy(worker) > 0 || (worker.draining && !worker.drained) ? 'draining' : 'drained';
  return 'alive';
}

/** How many of its slots a job has. */
export function busy(worker: Worker): number {
  return worker.slots.filter((slot) => slot.jobId).length;
}

/** What a slot is: the GPU or the processors, and whether they multiply bf16 in hardware. */
export function aboutSlot(slot: Slot): string {
  return `${slot.gpu ? `${slot.gpu.name}, ${slot.gpu.uuid}` : 'A share of the processors'}; ${slot.bfloat16 ? 'multiplies bf16 in hardware' : 'no hardware for bf16'}`;
}

/** The share of the machine's memory that is used; NaN before the first reading. */
export function memoryShare(worker: Worker): number {
  return worker.load ? worker.load.usedMemoryBytes / worker.load.memoryBytes : NaN;
}

/** Whether a search finds it: by its name, host, address, version, or a GPU's name. */
export function finds(worker: Worker, text: string, jobName: (id: string) => string): boolean {
  const wanted = text.trim().toLowerCase();
  return [worker.name, worker.host, worker.address, worker.version, ...worker.slots.flatMap((slot) => [slot.gpu?.name ?? '', slot.jobId, slot.jobId ? jobName(slot.jobId) : ''])]
    .some((one) => one.toLowerCase().includes(wanted));
}

/** The colour of how full a memory is: it turns at four fifths, and again at 19 of 20. A busy processor is as it should be. */
export function toneOf(share: number): string {
  return share >= 0.95 ? 'error' : share >= 0.8 ? 'warning' : '';
}

/** A colour for each job that has a slot, 1 to 8. */
export function jobColours(workers: readonly Worker[]): Map<string, number> {
  const ids = [...new Set(workers.flatMap((worker) => worker.slots.map((slot) => slot.jobId)).filter(Boolean))].sort();
  return new Map(ids.map((id, i) => [id, 1 + (i % 8)]));
}

/** Which rank a slot's process is; it has none before it has joined a generation. */
export function rankOf(slot: Slot): string {
  return slot.rank < 0 ? 'gets ready' : `rank ${slot.rank}`;
}
