/** Tells whoever asks when a run has come so far. */
export interface Milestones {
  /** An effect of this run took place. */
  readonly effect: (runId: string) => void;
  /** Once so many have. */
  readonly reached: (runId: string, effects: number) => Promise<void>;
  /** An order was accepted as this run. */
  readonly accepted: (order: string, runId: string) => void;
  readonly known: (order: string) => Promise<string>;
  readonly orderOf: (runId: string) => Promise<string>;
}

interface Counter {
  count: number;
  readonly waiters: { readonly at: number; readonly go: () => void }[];
}

export function createMilestones(): Milestones {
  const counters = new Map<string, Counter>();
  const runs = createPromises();
  const orders = createPromises();
  const counterOf = (runId: string): Counter => {
    const counter = counters.get(runId) ?? { count: 0, waiters: [] };
    counters.set(runId, counter);
    return counter;
  };
  return {
    effect: (runId) => {
      const counter = counterOf(runId);
      counter.count += 1;
      for (const { at, go } of counter.waiters) if (at <= counter.count) go();
    },
    reached: (runId, effects) => {
      const { count, waiters } = counterOf(runId);
      if (count >= effects) return Promise.resolve();
      return new Promise((go) => waiters.push({ at: effects, go }));
    },
    accepted: (order, runId) => {
      runs.resolve(order, runId);
      orders.resolve(runId, order);
    },
    known: runs.of,
    orderOf: orders.of,
  };
}

/** Promises by name, whoever comes first. */
function createPromises() {
  const all = new Map<string, PromiseWithResolvers<string>>();
  const at = (name: string): PromiseWithResolvers<string> => {
    const known = all.get(name) ?? withResolvers();
    all.set(name, known);
    return known;
  };
  return {
    of: (name: string): Promise<string> => at(name).promise,
    resolve: (name: string, value: string): void => at(name).resolve(value),
  };
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
}

function withResolvers(): PromiseWithResolvers<string> {
  let resolve: (value: string) => void = () => undefined;
  const promise = new Promise<string>((settle) => (resolve = settle));
  return { promise, resolve };
}
