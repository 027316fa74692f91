export interface BriefCache<T> {
  readonly of: (key: string) => Promise<T>;
  /** The next question is answered anew. */
  readonly clear: () => void;
}

export interface BriefCacheSettings {
  readonly freshMs?: number;
  readonly now?: () => number;
}

const FRESH_MS = 5_000;
const MOST_KEPT = 10_000;

/** Keeps each answer for some seconds: a change counts everywhere within that time. Failures are not kept. */
export function createBriefCache<T>(
  load: (key: string) => Promise<T>,
  { freshMs = FRESH_MS, now = Date.now }: BriefCacheSettings = {},
): BriefCache<T> {
  const kept = new Map<string, { readonly until: number; readonly value: Promise<T> }>();
  return {
    of: (key) => {
      const known = kept.get(key);
      if (known !== undefined && known.until > now()) return known.value;
      if (kept.size >= MOST_KEPT) kept.clear();
      const value = load(key);
      kept.set(key, { until: now() + freshMs, value });
      value.catch(() => kept.delete(key));
      return value;
    },
    clear: () => kept.clear(),
  };
}
