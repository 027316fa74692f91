/** Work that goes on behind an answer, which does not wait for it. */
export interface Behind {
  readonly run: (what: string, work: () => Promise<unknown>) => void;
  /** Resolves when all of it is done. */
  readonly idle: () => Promise<void>;
}

export function createBehind(log: { readonly warn: (fields: object, message: string) => void }): Behind {
  const underWay = new Set<Promise<unknown>>();
  return {
    run: (what, work) => {
      const doing = nextTurn()
        .then(work)
        .catch((error: unknown) => log.warn({ reason: String(error) }, `${what}: this failed behind an answer`))
        .finally(() => underWay.delete(doing));
      underWay.add(doing);
    },
    idle: async () => {
      while (underWay.size > 0) await Promise.all(underWay);
    },
  };
}

/** The answer is on its way first, so that its time tells nothing of the work. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
