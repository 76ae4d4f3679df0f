interface Props {
  /** Of one. */
  share: number;
  /** What is measured, for screen readers. */
  label: string;
  /** Its colour; by default that of the accent. */
  tone?: string;
  /** What it comes to in words; otherwise percents are read out. */
  text?: string;
}

/** How far something has come, or how full it is. */
export function Bar({ share, label, tone = '', text }: Props) {
  const percent = Number.isFinite(share) ? Math.min(100, Math.max(0, share * 100)) : 0;
  return (
    <span class={`bar ${tone}`} role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(percent)} {...(text ? { 'aria-valuetext': text } : {})}>
      <span style={{ width: `${percent}%` }} />
    </span>
  );
}
