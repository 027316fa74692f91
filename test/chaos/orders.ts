import { randomOf } from './random.js';

/** What becomes of an order, as it was planned. */
export const modes = ['ok', 'cancel', 'fail', 'refuse', 'child_fails'] as const;
export type Mode = (typeof modes)[number];

/** How its events are posted: before the run waits, when it does, twice under one id, or again after a lost answer. */
export const postings = ['early', 'waiting', 'twice', 'lost'] as const;
export type Posting = (typeof postings)[number];

export interface Order {
  readonly name: string;
  readonly mode: Mode;
  readonly items: readonly string[];
  readonly posting: Posting;
  /** Of one that is cancelled: after so many of its effects. */
  readonly cancelAfter: number;
}

/** Half of them go well; the rest meet each trouble equally often. */
const cycle: readonly Mode[] = ['ok', 'cancel', 'ok', 'fail', 'ok', 'refuse', 'ok', 'child_fails'];

export function ordersOf(seed: number, count: number): readonly Order[] {
  const random = randomOf(seed, 'orders');
  return Array.from({ length: count }, (_, index) => {
    const name = `parcel-${index}`;
    const items = Array.from({ length: random.between(2, 5) }, (_each, item) => `${name}/item-${item}`);
    return {
      name,
      items,
      mode: cycle[index % cycle.length] ?? 'ok',
      posting: postings[random.between(0, postings.length)] ?? 'early',
      // reserve, bill, label, every item, ship; the last waits for an event that never comes
      cancelAfter: random.between(0, items.length + 5),
    };
  });
}

/** An event's id says which order it is of. */
export const eventIds = ({ name }: Pick<Order, 'name'>): readonly [string, string] => [`${name}-a`, `${name}-b`];
