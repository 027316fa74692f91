/** Of several names the one that most resembles what was asked for; null where there is none to name. */
export function nearest(asked: string, names: readonly string[]): string | null {
  const [best] = names
    .map((name) => ({ name, distance: distance(asked, name) }))
    .toSorted((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return best?.name ?? null;
}

/** For the end of a sentence about a name that is not there. */
export function suggestion(asked: string, names: readonly string[]): string {
  const name = nearest(asked, names);
  return name === null ? '' : `; the nearest is "${name}"`;
}

/** Levenshtein's: how many letters must change. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of a.split('').entries()) {
    let diagonal = row[0] ?? 0;
    const next = [i + 1];
    for (const [j, other] of b.split('').entries()) {
      const above = row[j + 1] ?? 0;
      next.push(Math.min(diagonal + (letter === other ? 0 : 1), above + 1, (next[j] ?? 0) + 1));
      diagonal = above;
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
