/** Signs of life of the runs, to tell how long none of them moved although some were open. */
export interface Pulse {
  readonly beat: () => void;
  /** Nothing is due any more: what follows is no stall. */
  readonly stop: () => void;
  readonly longestStallMs: () => number;
}

export function createPulse(): Pulse {
  let last: number | undefined;
  let longest = 0;
  const beat = (): void => {
    const now = performance.now();
    if (last !== undefined) longest = Math.max(longest, now - last);
    last = now;
  };
  return {
    beat,
    stop: () => {
      beat();
      last = undefined;
    },
    longestStallMs: () => longest,
  };
}
