/** The value that a share `q` of the samples does not exceed. */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

export const median = (samples: readonly number[]): number => quantile(samples, 0.5);

export const shown = (value: number, digits = 0): string => value.toFixed(digits);

/** Columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) => row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  ')).join('\n');
}

/** Does `count` pieces of work, `concurrency` at a time; answers how long each took, and all of them. */
export async function measure(
  { count, concurrency }: { readonly count: number; readonly concurrency: number },
  work: (index: number) => Promise<void>,
): Promise<{ readonly samples: readonly number[]; readonly totalMs: number }> {
  const samples: number[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      const start = performance.now();
      await work(index);
      samples.push(performance.now() - start);
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: concurrency }, lane));
  return { samples, totalMs: performance.now() - start };
}
