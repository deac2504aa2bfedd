import type { Result, Row } from './row.js';

const COLUMNS = ['row', 'unit', 'budget', 'ours', 'floor', 'opossum', 'cockatiel'] as const;
const WIDTHS = [40, 6, 12, 11, 18, 21, 21];

export function header(): string {
  return line(COLUMNS);
}

/** A row of the table. Each peer has its multiple of our figure. */
export function reportLine(row: Row, result: Result): string {
  const peer = (name: 'opossum' | 'cockatiel') => {
    const value = result.peers[name];
    if (value === undefined) return '-';
    return `${figure(value)} (${figure(value / result.ours)}x)${isTooNear(row, result, name) ? ' !' : ''}`;
  };
  return line([
    row.name,
    row.unit,
    budgetText(row),
    figure(result.ours) + (isOver(row, result) ? ' !' : ''),
    result.floor === undefined ? '-' : `${figure(result.floor)} (${result.ofFloor?.toFixed(2)})`,
    peer('opossum'),
    peer('cockatiel'),
  ]);
}

function budgetText({ budget, budgetOfFloor }: Row): string {
  const texts = [];
  if (budget !== undefined) texts.push(figure(budget));
  if (budgetOfFloor !== undefined) texts.push(`${budgetOfFloor}x`);
  return texts.join(', ') || '-';
}

/** Whether a figure misses a budget. */
function isOver({ budget, budgetOfFloor, moreIsBetter = false }: Row, { ours, ofFloor }: Result): boolean {
  const misses = (value: number, limit: number) => (moreIsBetter ? value < limit : value > limit);
  if (budget !== undefined && misses(ours, budget)) return true;
  return budgetOfFloor !== undefined && ofFloor !== undefined && misses(ofFloor, budgetOfFloor);
}

/** Whether a peer is closer than the row's claim. */
function isTooNear({ peersAtLeast }: Row, { ours, peers }: Result, name: 'opossum' | 'cockatiel'): boolean {
  const times = peersAtLeast?.[name];
  const value = peers[name];
  return times !== undefined && value !== undefined && value < times * ours;
}

function line(cells: readonly string[]): string {
  return cells
    .map((cell, i) => (i === 0 ? cell.padEnd(WIDTHS[i] ?? 0) : cell.padStart(WIDTHS[i] ?? 0)))
    .join('');
}

function figure(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toFixed(digits).replace(/\B(?=(\d{3})+(?!\d))/g, ' ');
}
