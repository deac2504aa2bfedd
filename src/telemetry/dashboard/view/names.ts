import { splitKey } from '../../../key/circuit-key.js';

/** Longest name that is shown; the rest is an ellipsis. */
const LONGEST_SHOWN = 160;
/** Control characters, also of the direction of text, and characters without a width: they could make a name look like another. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\u115f\u1160\u3164\uffa0]/gu;

/** A text for display: a single line without invisible characters, and without characters that turn the direction of text. */
export function shown(text: string): string {
  const isLong = text.length > LONGEST_SHOWN;
  const start = (isLong ? text.slice(0, LONGEST_SHOWN) : text).toWellFormed();
  const visible = start.replace(INVISIBLE, (unit) => {
    return `\\u${(unit.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
  });
  return isLong ? `${visible}…` : visible;
}

/** A circuit's name in two parts. */
export interface CircuitName {
  /** The model, or the method where the circuit has no model. */
  readonly name: string;
  /** Where it belongs: service and method, without the package. */
  readonly place: string;
  /** Target, package, service and method. */
  readonly fullPlace: string;
}

const SECONDARY = /^secondary:[\w.~-]+$/;

/** Whether it is the circuit that a fallback has around its own calls. */
export function isSecondary(circuitKey: string): boolean {
  return SECONDARY.test(circuitKey);
}

export function circuitName(circuitKey: string): CircuitName {
  if (isSecondary(circuitKey)) {
    const place = 'secondary model';
    return { name: sourceName(circuitKey), place, fullPlace: `${place}, ${shown(circuitKey)}` };
  }
  const { target, method, part } = splitKey(circuitKey);
  const [, service = '', name = ''] = /^\/(.+)\/([^/]+)$/.exec(method) ?? [];
  const at = target === '' ? '' : ` at ${target}`;
  const short = service.slice(service.lastIndexOf('.') + 1);
  // the method is the name where there is no model
  const below = part === '' ? '' : `/${name}`;
  return {
    name: shown(part || name || method || circuitKey),
    place: shown(service === '' ? part && method : `${short}${below}${at}`),
    fullPlace: shown(service === '' ? part && method : `${service}${below}${at}`),
  };
}

/** `secondary:small` -> `small`; `none` -> `errors`. */
export function sourceName(source: string): string {
  if (source === 'none') return 'errors';
  return shown(source.replace(/^secondary:(?=.)/, ''));
}
