import { createHash } from 'node:crypto';

export interface Random {
  /** At least `low`, below `high`. */
  readonly between: (low: number, high: number) => number;
  readonly chance: (probability: number) => boolean;
  readonly shuffled: <T>(items: readonly T[]) => readonly T[];
}

/** A stream of its own for each purpose: what one of them draws does not move the others. */
export function randomOf(seed: number, purpose: string): Random {
  let drawn = 0;
  const next = (): number => {
    drawn += 1;
    return createHash('sha256').update(`${seed}/${purpose}/${drawn}`).digest().readUInt32BE() / 2 ** 32;
  };
  return {
    between: (low, high) => low + Math.floor(next() * (high - low)),
    chance: (probability) => next() < probability,
    shuffled: (items) =>
      items
        .map((item) => ({ item, at: next() }))
        .toSorted((a, b) => a.at - b.at)
        .map(({ item }) => item),
  };
}
