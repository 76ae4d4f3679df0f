// Drawn on 24 × 24 with a line of 2.
const paths = {
  more: 'M5 12h.01M12 12h.01M19 12h.01',
  pause: 'M8 5v14M16 5v14',
  play: 'M7 4.5v15l12-7.5Z',
  stop: 'M6 6h12v12H6Z',
  copy: 'M9 9h11v11H9ZM5 15H4V4h11v1',
  trash: 'M4 7h16M10 11v6M14 11v6M6 7l1 13h10l1-13M9 7V4h6v3',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM20.5 20.5 16 16',
  plus: 'M12 5v14M5 12h14',
  close: 'M6 6l12 12M18 6 6 18',
  check: 'M5 12.5 10 17.5 19 7',
  up: 'M6 15l6-6 6 6',
  down: 'M6 9l6 6 6-6',
  info: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 11v5M12 8h.01',
  warning: 'M12 4 2.5 20h19ZM12 10v4.5M12 17.5h.01',
  error: 'M8 3h8l5 5v8l-5 5H8l-5-5V8ZM9 9l6 6M15 9l-6 6',
  user: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.5 20.5c1-4 4-5.500 7.500-5.500s6.500 1.500 7.500 5.500',
  keyboard: 'M3 6h18v12H3ZM7 10h.01M11 10h.01M15 10h.01M17 14h.01M7 14h7',
  chart: 'M4 4v16h16M8 15l3.500-4.500 3 2.500L19 7',
  download: 'M12 4v11M7 10.500l5 5 5-5M5 20h14',
  back: 'M9 7 4 12l5 5M4 12h11a5 5 0 0 1 5 5v1',
  external: 'M14 4h6v6M20 4l-9 9M18 14v6H4V6h6',
} as const;

export type IconName = keyof typeof paths;

/** A small drawing beside words; it says nothing by itself to a screen reader. */
export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width={name === 'more' ? 3.4 : 2} stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}
