import { openStreams } from '../../db/telemetry/metrics.js';
import { tooMany } from './errors.js';

/** Counts what callers have open at this process. */
export interface OpenCount {
  /** Throws where the caller has enough; else answers how to leave again. */
  readonly enter: (owner: string, kind: 'stream' | 'socket') => () => void;
}

const MOST_OF_ONE = 1_000;

export function createOpenCount(mostOfOne = MOST_OF_ONE): OpenCount {
  const open = new Map<string, number>();
  return {
    enter: (owner, kind) => {
      const count = open.get(owner) ?? 0;
      if (count >= mostOfOne)
        throw tooMany(`At most ${mostOfOne} streams may be open at a time; close one and try again.`, 5);
      open.set(owner, count + 1);
      openStreams.inc({ kind });
      return () => {
        openStreams.dec({ kind });
        const left = (open.get(owner) ?? 1) - 1;
        if (left === 0) open.delete(owner);
        else open.set(owner, left);
      };
    },
  };
}
