// The few functions of a framework that the page needs. Texts become text nodes; nothing is ever parsed as HTML.

type Child = Node | string;
type Attributes = Readonly<Record<string, string>>;

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Node[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Changes a text only where it differs: setting an equal text would cost a layout. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * Gives `parent` these children in this order, and moves few elements where few have changed places: a moved element loses its focus
 * and its hover.
 */
export function arrange(parent: Element, wanted: readonly Element[]): void {
  const keep = new Set<Element>(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  let at = parent.firstElementChild;
  for (const element of wanted) {
    if (at === element) at = at.nextElementSibling;
    else if (at !== null && at.nextElementSibling === element && at !== document.activeElement) {
      // the element before it belongs elsewhere: it is taken out, and inserted when its place is reached
      const next: Element | null = element.nextElementSibling;
      at.remove();
      at = next;
    } else parent.insertBefore(element, at);
  }
}
