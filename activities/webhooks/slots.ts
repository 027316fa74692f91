export interface Slots {
  /** Gives the place back; null: there is none. */
  readonly take: (key: string) => (() => void) | null;
}

/** So many at once for one key, and for all of them together: one slow receiver leaves room for the others. */
export function createSlots({ perKey, total }: { readonly perKey: number; readonly total: number }): Slots {
  const taken = new Map<string, number>();
  let all = 0;
  return {
    take: (key) => {
      const mine = taken.get(key) ?? 0;
      if (mine >= perKey || all >= total) return null;
      taken.set(key, mine + 1);
      all += 1;
      let isHeld = true;
      return () => {
        if (!isHeld) return;
        isHeld = false;
        all -= 1;
        const left = (taken.get(key) ?? 1) - 1;
        if (left > 0) taken.set(key, left);
        else taken.delete(key);
      };
    },
  };
}
