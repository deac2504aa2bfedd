// Numbers as text. A no-break space stands between a number and its unit.

const SPACE = '\u00a0';

/** Whole units: `12 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) return `${seconds}${SPACE}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}${SPACE}min ${seconds % 60}${SPACE}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}${SPACE}h ${minutes % 60}${SPACE}min`;
  return `${Math.floor(hours / 24)}${SPACE}d ${hours % 24}${SPACE}h`;
}

/** The time that is left, with tenths below ten seconds. */
export function countdown(ms: number): string {
  if (ms >= 9_950) return duration(Math.ceil(ms / 1_000) * 1_000);
  return `${(Math.max(0, ms) / 1_000).toFixed(1)}${SPACE}s`;
}

/** `41 %`; `<1 %` and `>99 %` where rounding would hide that the share is not 0 or 1. */
export function percent(share: number): string {
  const value = Math.round(share * 100);
  if (value === 0 && share > 0) return `<1${SPACE}%`;
  if (value === 100 && share < 1) return `>99${SPACE}%`;
  return `${value}${SPACE}%`;
}

/** `0.4`, `38`, `1 200`. */
export function perSecond(rate: number): string {
  if (rate === 0) return '0';
  if (rate < 0.05) return '<0.1';
  return rate < 9.95 ? rate.toFixed(1) : whole(rate);
}

/** `0.4 ms`, `16 ms`, `1.2 s`. */
export function latency(ms: number): string {
  if (ms >= 9_950) return `${whole(ms / 1_000)}${SPACE}s`;
  if (ms >= 999.5) return `${(ms / 1_000).toFixed(1)}${SPACE}s`;
  return `${ms < 9.95 ? Number(ms.toFixed(1)) : Math.round(ms)}${SPACE}ms`;
}

/** Groups of three digits, as in `12 345`. */
export function whole(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** `1 call`, `12 calls`. */
export function several(count: number, noun: string): string {
  return `${whole(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** The time of day by the visitor's clock: `15:03:12`. */
export function timeOfDay(epochMs: number): string {
  const date = new Date(epochMs);
  if (Number.isNaN(date.getTime())) return '--:--:--';
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
}

/** A number of the settings, with three decimals at most: `1333.333`. */
export function setting(value: number): string {
  return String(Number(value.toFixed(3)));
}
