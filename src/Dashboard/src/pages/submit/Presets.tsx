import type { Preset } from '../../api/types';

/** Job files to begin with. */
export function Presets({ presets, text, choose }: { presets: readonly Preset[]; text: string; choose: (preset: Preset) => void }) {
  if (presets.length === 0) return null;
  return (
    <section class="presets" aria-label="Examples to begin with">
      {presets.map((preset) => (
        <button key={preset.name} type="button" class={`card preset ${preset.yaml === text ? 'on' : ''}`} aria-pressed={preset.yaml === text} onClick={() => choose(preset)}>
          <strong>{preset.title}</strong>
          <span>{preset.description}</span>
        </button>
      ))}
    </section>
  );
}
