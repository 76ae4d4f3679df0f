import type { JobEstimate } from '../../api/types';
import { bytes, count, number, percent, short, significant } from '../../format/numbers';
import { duration } from '../../format/times';

const parts = [
  { name: 'Parameters', tone: 'p1', of: (one: JobEstimate) => one.parameterBytes },
  { name: 'Gradients', tone: 'p2', of: (one: JobEstimate) => one.gradientBytes },
  { name: 'Optimizer', tone: 'p3', of: (one: JobEstimate) => one.optimizerBytes },
  { name: 'Activations', tone: 'p4', of: (one: JobEstimate) => one.activationBytes },
  { name: 'Process', tone: 'p5', of: (one: JobEstimate) => one.processBytes },
] as const;

/** What the job comes to. */
export function Estimate({ estimate, stale }: { estimate: JobEstimate | null; stale: boolean }) {
  return (
    <section class={`card estimate ${stale && estimate ? 'stale' : ''}`} aria-label="Estimate">
      <header><h2>Estimate</h2>{stale && estimate && <span class="muted">of the last file without problems</span>}</header>
      <div class="body">
        {estimate ? <Numbers estimate={estimate} /> : <p class="muted">Parameters, memory and time are told here once the file has no problems.</p>}
      </div>
    </section>
  );
}

function Numbers({ estimate }: { estimate: JobEstimate }) {
  const seconds = number(estimate.seconds);
  return (
    <>
      <dl class="big">
        <div><dt>Parameters</dt><dd class="number" title={count(estimate.parameters)}>{short(estimate.parameters)}</dd></div>
        <div><dt>Expected time</dt><dd class="number">{Number.isFinite(seconds) ? duration(seconds * 1000) : <span class="muted">not known yet</span>}</dd></div>
      </dl>
      {estimate.basis && <p class="basis muted">{estimate.basis}</p>}
      <Memory estimate={estimate} />
      <dl class="facts">
        <div><dt>Tokens a step</dt><dd class="number" title={count(estimate.tokensPerStep)}>{short(estimate.tokensPerStep)}</dd></div>
        <div><dt>Tokens in all</dt><dd class="number" title={count(estimate.totalTokens)}>{short(estimate.totalTokens)}</dd></div>
        <div><dt>Operations a step</dt><dd class="number">{operations(number(estimate.operationsPerStep))}</dd></div>
      </dl>
      <Attention ratio={number(estimate.fullAttentionRatio)} />
    </>
  );
}

function Memory({ estimate }: { estimate: JobEstimate }) {
  const all = parts.map((part) => ({ ...part, size: part.of(estimate) }));
  const total = Math.max(1, all.reduce((sum, part) => sum + part.size, 0));
  return (
    <div class="memory">
      <h3><span>Memory of a rank</span><span class="number">{bytes(estimate.memoryBytes)}</span></h3>
      <div class="parts" aria-hidden="true">{all.map((part) => <span key={part.name} class={part.tone} title={`${part.name}: ${bytes(part.size)}`} style={{ width: `${(part.size / total) * 100}%` }} />)}</div>
      <dl>
        {all.map((part) => <div key={part.name}><dt><i class={part.tone} />{part.name}</dt><dd class="number">{bytes(part.size)}</dd><dd class="number muted">{percent(part.size / total)}</dd></div>)}
      </dl>
    </div>
  );
}

function Attention({ ratio }: { ratio: number }) {
  if (!Number.isFinite(ratio)) return null;
  const longest = Math.max(1, ratio);
  return (
    <div class="attention">
      <h3>Operations, against full attention</h3>
      <dl>
        <div><dt>This model</dt><dd><span class="meter own" style={{ width: `${100 / longest}%` }} /></dd><dd class="number">1×</dd></div>
        <div><dt>Full attention</dt><dd><span class="meter" style={{ width: `${(ratio / longest) * 100}%` }} /></dd><dd class="number">{significant(ratio, 3)}×</dd></div>
      </dl>
    </div>
  );
}

/** Floating-point operations: 517 MFLOP. */
export function operations(value: number): string {
  if (!Number.isFinite(value)) return '–';
  for (const [size, unit] of [[1e18, 'E'], [1e15, 'P'], [1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const)
    if (value >= size) return `${significant(value / size, 3)} ${unit}FLOP`;
  return `${significant(value, 3)} FLOP`;
}
