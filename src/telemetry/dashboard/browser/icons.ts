import { svg } from './dom.js';

/** A shape for each state, so that no state is shown by its colour alone. Drawn on 16 by 16. */
const SHAPES: Readonly<Record<string, string>> = {
  closed: 'M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 0 1 0-13zM4.8 8.2l2.3 2.3l4.2-4.6',
  open: 'M5.4 1.5h5.2l3.9 3.9v5.2l-3.9 3.9H5.4l-3.9-3.9V5.4zM5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8',
  'half-open': 'M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 0 1 0-13zM8 4.4v4.2M8 11.2v.4',
  recovering: 'M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 0 1 0-13zM8 11.4V5M5.2 7.6L8 4.8l2.8 2.8',
  isolated: 'M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 0 1 0-13zM6.2 5.4v5.2M9.8 5.4v5.2',
  observed:
    'M1.2 8s2.6-4.6 6.8-4.6S14.8 8 14.8 8s-2.6 4.6-6.8 4.6S1.2 8 1.2 8zM8 6.2a1.8 1.8 0 1 1 0 3.6a1.8 1.8 0 0 1 0-3.6z',
  strained: 'M8 2l6.6 11.8H1.4zM8 6.4v3.4M8 11.6v.3',
  degraded: 'M8 2l6.6 11.8H1.4zM8 6.4v3.4M8 11.6v.3',
  fine: 'M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 0 1 0-13zM4.8 8.2l2.3 2.3l4.2-4.6',
  idle: 'M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 0 1 0-13zM5 8h6',
  lost: 'M2 2l12 12M4.2 9.4a5.4 5.4 0 0 1 3-1.5M1.8 6.6a9 9 0 0 1 3-1.9M8 12.6v.2M14.2 6.6a9 9 0 0 0-6-2.6',
};

export function icon(name: string): SVGSVGElement {
  const path = svg('path', { d: SHAPES[name] ?? SHAPES.idle ?? '' });
  return svg('svg', { class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true' }, path);
}

export function setIcon(element: SVGSVGElement, name: string): void {
  const d = SHAPES[name] ?? SHAPES.idle ?? '';
  const path = element.firstElementChild;
  if (path !== null && path.getAttribute('d') !== d) path.setAttribute('d', d);
}
